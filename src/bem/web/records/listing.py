"""A list of records: narrowed, sorted and paged in the database; htmx swaps only the rows."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from django.core.paginator import EmptyPage, PageNotAnInteger
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from bem.web.records.access import RolePage
from bem.web.records.filters import RecordFilter
from bem.web.records.tables import RecordTable

PAGE_SIZES = (25, 50, 100)


class ListPage(RolePage, ABC):
    """A page with one list. ``order``: sorted so unless asked otherwise."""

    table_class: ClassVar[type[RecordTable]]
    filter_class: ClassVar[type[RecordFilter]]
    template_name: ClassVar[str]
    empty_template: ClassVar[str]
    order: ClassVar[str]

    @abstractmethod
    def rows(self) -> QuerySet[Any]:
        """All there is, with what the columns need in the same query."""

    def table(self, rows: QuerySet[Any]) -> RecordTable:
        """Make the table."""
        return self.table_class(rows)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the page, or to htmx only its rows."""
        narrowed = self.filter_class(request.GET, self.rows())
        rows = narrowed.qs if narrowed.is_valid() else narrowed.queryset.none()
        table = self.table(rows)
        table.order_by = request.GET.getlist("sort") or self.order
        _paginate(table, request)
        chosen = narrowed.form.cleaned_data
        context = {
            "table": table,
            "filter": narrowed,
            "empty_template": self.empty_template,
            "page_numbers": page_numbers(table.page.number, table.paginator.num_pages),
            "page_sizes": PAGE_SIZES,
            "may_write": self.may_write,
            "is_narrowed": any(chosen.values()) or not narrowed.is_valid(),
            "sort": request.GET.getlist("sort"),
        }
        parts_only = "HX-Request" in request.headers and not (
            "HX-Boosted" in request.headers or "HX-History-Restore-Request" in request.headers
        )
        template = "records/parts/rows.html" if parts_only else self.template_name
        response = render(request, template, context)
        patch_vary_headers(response, ["HX-Request"])
        return response


def _paginate(table: RecordTable, request: HttpRequest) -> None:
    """Go to the page asked for; nonsense leads to the first, too far to the last."""
    wanted = request.GET.get("per_page", "")
    size = int(wanted) if wanted in {str(one) for one in PAGE_SIZES} else PAGE_SIZES[0]
    try:
        table.paginate(page=request.GET.get("page", 1), per_page=size)
    except PageNotAnInteger:
        table.page = table.paginator.page(1)
    except EmptyPage:
        table.page = table.paginator.page(table.paginator.num_pages)


def page_numbers(current: int, last: int) -> list[int]:
    """Which pages to offer: the first, the last and those around; 0 stands for a gap."""
    near = {1, last, *range(current - 1, current + 2)} & set(range(1, last + 1))
    shown: list[int] = []
    for number in sorted(near):
        if shown and number > shown[-1] + 1:
            shown.append(0)
        shown.append(number)
    return shown

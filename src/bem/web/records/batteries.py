"""The pages of the batteries."""

import json
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers

from bem.lab.models import Battery, Experiment
from bem.lab.operations import batteries as operations
from bem.lab.operations.errors import OperationRefused
from bem.web.records.access import RolePage, WritePage
from bem.web.records.filters import BatteryFilter
from bem.web.records.forms import BATTERY_FORMS, CELL_VOLTAGES, BatteryForm, battery_initial
from bem.web.records.listing import ListPage
from bem.web.records.tables import BatteryTable

SHOWN_EXPERIMENTS = 20
_WITH_DETAILS = ("lithium", "lead_acid", "redox_stack")


def count_of_experiments(field: str) -> Coalesce:
    """How many experiments a row has; a subquery, so that it multiplies no rows."""
    counted = (
        Experiment.objects.filter(**{field: OuterRef("pk")})
        .order_by()
        .values(field)
        .annotate(count=Count("pk"))
        .values("count")
    )
    return Coalesce(Subquery(counted), 0)


class BatteryList(ListPage):
    """All batteries."""

    table_class = BatteryTable
    filter_class = BatteryFilter
    template_name = "records/battery_list.html"
    empty_template = "records/parts/battery_empty.html"
    order = "name"

    def rows(self) -> QuerySet[Any]:
        """With capacity and number of experiments."""
        return Battery.objects.annotate(
            nominal_capacity=Coalesce(F("lithium__capacity"), F("lead_acid__capacity")),
            experiment_count=count_of_experiments("battery"),
        )


class BatteryPage(RolePage):
    """One battery and its newest experiments."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show it."""
        battery = get_object_or_404(
            Battery.objects.select_related(*_WITH_DETAILS, "created_by"), pk=pk
        )
        experiments = battery.experiments.select_related("station", "profile").defer(
            "program", "profile_text", "channels"
        )
        context = {
            "battery": battery,
            "battery_number": str(battery.pk),
            "experiments": experiments[:SHOWN_EXPERIMENTS],
            "experiment_count": battery.experiments.count(),
            "is_busy": battery.experiments.filter(status__in=Experiment.OPEN).exists(),
        }
        return render(request, "records/battery.html", context)


class BatteryAdd(WritePage):
    """Describe a new battery. The technology decides which fields there are."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form, keeping what was typed when the technology changes."""
        form_class = _form_class(request.GET.get("technology", ""))
        typed = {name: request.GET[name] for name in form_class.base_fields if name in request.GET}
        return _show(request, form_class(initial=typed), None)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Store it, or show what is wrong."""
        form = _form_class(request.POST.get("technology", ""))(request.POST)
        if form.is_valid():
            try:
                battery = operations.add_battery(request.user, form.to_input())
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Battery “{battery}” is added.")
                return redirect("records:battery", battery.pk)
        return _show(request, form, None)


class BatteryEdit(WritePage):
    """Correct a battery."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form; of a used battery only the description can be changed."""
        battery = _battery(pk)
        form_class = _form_class(request.GET.get("technology", battery.technology))
        typed = {name: request.GET[name] for name in form_class.base_fields if name in request.GET}
        form = form_class(initial=battery_initial(battery) | typed)
        return _show(request, _fixed_if_used(form, battery), battery)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Store it, or show what is wrong."""
        battery = _battery(pk)
        form = _form_class(request.POST.get("technology", battery.technology))(
            request.POST, initial=battery_initial(battery)
        )
        _fixed_if_used(form, battery)
        if form.is_valid():
            try:
                operations.edit_battery(request.user, battery, form.to_input())
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Battery “{battery}” is changed.")
                return redirect("records:battery", pk)
        return _show(request, form, battery)


class BatteryRetire(WritePage):
    """Take a battery out of use."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Retire, then show the battery."""
        battery = get_object_or_404(Battery, pk=pk)
        try:
            operations.retire_battery(request.user, battery)
        except OperationRefused as refused:
            messages.error(request, f"Not retired: {refused}.")
        else:
            messages.success(request, f"Battery “{battery}” is retired.")
        return redirect("records:battery", pk)


class BatteryRestore(WritePage):
    """Take a retired battery into use again."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Restore, then show the battery."""
        battery = get_object_or_404(Battery, pk=pk)
        operations.restore_battery(request.user, battery)
        messages.success(request, f"Battery “{battery}” is in use again.")
        return redirect("records:battery", pk)


def _battery(pk: int) -> Battery:
    return get_object_or_404(Battery.objects.select_related(*_WITH_DETAILS), pk=pk)


def _form_class(technology: str) -> type[BatteryForm]:
    return BATTERY_FORMS.get(technology, BATTERY_FORMS[Battery.Technology.LITHIUM])


def _fixed_if_used(form: BatteryForm, battery: Battery) -> BatteryForm:
    """Lock the fields of a used battery; a locked field keeps its stored value."""
    if operations.is_used(battery):
        for name, field in form.fields.items():
            field.disabled = name != "description"
    return form


def _show(request: HttpRequest, form: BatteryForm, battery: Battery | None) -> HttpResponse:
    is_part = request.headers.get("HX-Target") == "battery-form"
    context = {
        "form": form,
        "battery": battery,
        "technologies": Battery.Technology.choices,
        "detail_fields": [form[name] for name in form.detail_names],
        "is_fixed": form.fields["name"].disabled,
        "cell_voltages": json.dumps(CELL_VOLTAGES.get(form.technology, {})),
    }
    template = "records/parts/battery_form.html" if is_part else "records/battery_form.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response

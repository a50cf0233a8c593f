"""Tags of the record pages."""

from typing import Any

from django import template
from django.forms import BoundField
from django.http import HttpRequest

register = template.Library()


@register.inclusion_tag("records/parts/field.html")
def record_field(field: BoundField, width: str = "") -> dict[str, Any]:
    """Show a field: label, input with its unit, help, and what is wrong."""
    units = getattr(field.form, "units", {})
    look = field.field.widget.attrs.get("class", "")
    shown = field.as_widget(attrs={"class": f"{look} is-invalid"} if field.errors else None)
    return {"field": field, "input": shown, "unit": units.get(field.name, ""), "width": width}


@register.simple_tag(takes_context=True)
def address(context: template.Context, **changes: object) -> str:
    """The query of this page with some parameters set; ``None`` takes one away."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    for name, value in changes.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"{request.path}?{query.urlencode()}" if query else request.path


@register.filter
def quantity(value: float | None, unit: str = "") -> str:
    """Write a number as short as it is, with a true minus, and its unit; a dash for ``None``."""
    if value is None:
        return "\N{EN DASH}"
    shown = f"{value:.10g}".replace("-", "\N{MINUS SIGN}")
    return f"{shown}\N{NO-BREAK SPACE}{unit}" if unit else shown

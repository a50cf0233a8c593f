"""The columns of the lists. Every column sorts in the database, ties by number so pages are stable.

What people typed reaches a cell through ``format_html`` only.
"""

from datetime import datetime
from typing import Any

import django_tables2 as tables
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bem.lab.models import Battery, Experiment, Profile
from bem.web.records.outline import in_words
from bem.web.templatetags.bem import badge

NONE = format_html('<span class="text-secondary">{}</span>', "\N{EN DASH}")


def linked(url: str, title: object, below: str = "") -> SafeString:
    """A link with, if there is any, a quieter line below it."""
    link = format_html('<a class="record-link text-reset fw-medium" href="{}">{}</a>', url, title)
    if not below:
        return link
    return format_html(
        '{}<div class="text-secondary small text-truncate record-below">{}</div>', link, below
    )


def instant(value: datetime | None) -> SafeString:
    """An instant to the minute; the page's script may turn it into the reader's own time."""
    if value is None:
        return NONE
    utc = timezone.localtime(value, timezone.get_default_timezone())
    return format_html(
        '<time class="text-nowrap" datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{utc:%Y-%m-%d %H:%M}",
    )


class RecordTable(tables.Table):
    """What all lists share."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        super().__init__(
            rows,
            template_name="records/parts/table.html",
            attrs={"class": "table table-vcenter card-table table-hover record-table"},
            default=NONE,
        )


MINOR = {"td": {"class": "record-minor"}}
LEAD = {"td": {"class": "record-lead"}}
NUMBER = {"td": {"class": "text-md-end record-number"}, "th": {"class": "text-md-end"}}


class BatteryTable(RecordTable):
    """Batteries."""

    name = tables.Column(order_by=("name", "serial_number", "pk"), attrs=LEAD)
    serial_number = tables.Column(verbose_name="Serial number", order_by=("serial_number", "pk"))
    technology = tables.Column(order_by=("technology", "pk"))
    nominal_capacity = tables.Column(
        verbose_name="Capacity", order_by=("nominal_capacity", "pk"), attrs=NUMBER
    )
    voltage_max = tables.Column(
        verbose_name="Voltage", order_by=("voltage_max", "voltage_min", "pk"), attrs=NUMBER
    )
    current_max = tables.Column(
        verbose_name="Current", order_by=("current_max", "current_min", "pk"), attrs=NUMBER
    )
    experiment_count = tables.Column(
        verbose_name="Experiments", order_by=("experiment_count", "pk"), attrs=NUMBER
    )
    created_at = tables.Column(verbose_name="Added", order_by=("created_at", "pk"), attrs=MINOR)

    def render_name(self, record: Battery) -> SafeString:
        """Name over manufacturer and model."""
        below = " ".join(part for part in (record.manufacturer, record.model) if part)
        title = linked(reverse("records:battery", args=[record.pk]), record.name, below)
        if record.retired_at is None:
            return title
        return format_html('{} <span class="badge bg-secondary-lt">retired</span>', title)

    def render_technology(self, record: Battery) -> SafeString:
        """A badge."""
        return format_html(
            '<span class="badge badge-{}">{}</span>',
            record.technology,
            record.get_technology_display(),
        )

    def render_nominal_capacity(self, value: float) -> str:
        """With its unit."""
        return f"{value:g} Ah"

    def render_voltage_max(self, record: Battery) -> str:
        """The window."""
        return f"{record.voltage_min:g} … {record.voltage_max:g} V"

    def render_current_max(self, record: Battery) -> str:
        """The window."""
        return f"{record.current_min:g} … {record.current_max:g} A".replace("-", "\N{MINUS SIGN}")

    def render_created_at(self, value: datetime) -> SafeString:
        """To the minute."""
        return instant(value)


class ProfileTable(RecordTable):
    """Profiles."""

    name = tables.Column(order_by=("name", "pk"), attrs=LEAD)
    experiment_count = tables.Column(
        verbose_name="Experiments", order_by=("experiment_count", "pk"), attrs=NUMBER
    )
    created_by = tables.Column(
        verbose_name="Written by", accessor="created_by__username", order_by=("created_by", "pk")
    )
    updated_at = tables.Column(verbose_name="Changed", order_by=("updated_at", "pk"))

    def render_name(self, record: Profile) -> SafeString:
        """Name over the description."""
        title = linked(
            reverse("records:profile", args=[record.pk]), record.name, record.description[:120]
        )
        if record.retired_at is None:
            return title
        return format_html('{} <span class="badge bg-secondary-lt">retired</span>', title)

    def render_updated_at(self, value: datetime) -> SafeString:
        """To the minute."""
        return instant(value)


class ExperimentTable(RecordTable):
    """Experiments."""

    id = tables.Column(verbose_name="No.", order_by=("pk",), attrs=MINOR)
    name = tables.Column(order_by=("name", "pk"), attrs=LEAD)
    status = tables.Column(order_by=("status", "pk"))
    battery = tables.Column(order_by=("battery__name", "battery__serial_number", "pk"))
    station = tables.Column(order_by=("station__name", "pk"))
    profile = tables.Column(order_by=("profile__name", "pk"))
    created_at = tables.Column(verbose_name="Queued", order_by=("created_at", "pk"), attrs=MINOR)
    started_at = tables.Column(verbose_name="Started", order_by=("started_at", "pk"))
    actions = tables.TemplateColumn(
        verbose_name="",
        template_name="records/parts/experiment_actions.html",
        orderable=False,
        attrs={"td": {"class": "text-md-end"}},
    )

    def __init__(self, rows: QuerySet[Any], *, may_write: bool = False) -> None:
        super().__init__(rows)
        if not may_write:
            self.columns.hide("actions")

    def render_name(self, record: Experiment) -> SafeString:
        """A link to its own page, the description below."""
        url = reverse("watch:experiment", args=[record.pk])
        return linked(url, record.name, record.description[:80])

    def render_status(self, record: Experiment) -> SafeString:
        """A badge; the reason shows when pointed at."""
        shown = badge(record.status, record.get_status_display())
        if not record.status_reason:
            return shown
        return format_html('<span title="{}">{}</span>', record.status_reason, shown)

    def render_battery(self, record: Experiment) -> SafeString:
        """A link, the technology below."""
        return linked(
            reverse("records:battery", args=[record.battery_id]),
            record.battery,
            record.battery.get_technology_display(),
        )

    def render_profile(self, record: Experiment) -> SafeString:
        """A link."""
        return linked(reverse("records:profile", args=[record.profile_id]), record.profile)

    def render_created_at(self, value: datetime) -> SafeString:
        """To the minute."""
        return instant(value)

    def render_started_at(self, record: Experiment) -> SafeString:
        """To the minute; how long it took below."""
        shown = instant(record.started_at)
        if record.started_at is None or record.ended_at is None:
            return shown
        took = in_words((record.ended_at - record.started_at).total_seconds())
        return format_html(
            '{}<div class="text-secondary small record-below">took {}</div>', shown, took
        )

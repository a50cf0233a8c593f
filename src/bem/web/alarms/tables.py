"""The columns of the list of alarms."""

from typing import Any

import django_tables2 as tables
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bem.lab.models import Alarm, Severity
from bem.web.records.tables import LEAD, NUMBER, RecordTable, instant, linked
from bem.web.templatetags.bem import badge, icon

RANK = Case(
    *(When(severity=one, then=Value(one.rank)) for one in Severity), output_field=IntegerField()
)
"""By how much a person must care, and not by the alphabet."""


class AlarmTable(RecordTable):
    """Alarms."""

    message = tables.Column(verbose_name="Alarm", order_by=("message", "pk"), attrs=LEAD)
    severity = tables.Column(order_by=("rank", "pk"))
    state = tables.Column(
        verbose_name="State", accessor="pk", order_by=("acknowledged_at", "cleared_at", "pk")
    )
    station = tables.Column(order_by=("station__name", "pk"))
    experiment = tables.Column(order_by=("experiment__name", "pk"))
    raised_at = tables.Column(verbose_name="Raised", order_by=("raised_at", "pk"))
    count = tables.Column(verbose_name="Times", order_by=("count", "pk"), attrs=NUMBER)
    actions = tables.Column(
        verbose_name="", accessor="pk", orderable=False, attrs={"td": {"class": "text-md-end"}}
    )

    def __init__(self, rows: QuerySet[Any], *, may_write: bool = False) -> None:
        super().__init__(rows)
        if not may_write:
            self.columns.hide("actions")

    def render_message(self, record: Alarm) -> SafeString:
        """A link to its own page, what it is about below."""
        url = reverse("alarms:alarm", args=[record.pk])
        return linked(url, record.message, record.get_cause_display())

    def render_severity(self, record: Alarm) -> SafeString:
        """A badge."""
        return badge(record.severity, record.get_severity_display())

    def render_state(self, record: Alarm) -> SafeString:
        """Whether it has passed, and who has acknowledged it."""
        return state_of(record)

    def render_station(self, record: Alarm) -> SafeString:
        """A link."""
        return linked(reverse("watch:station", args=[record.station_id]), record.station)

    def render_experiment(self, record: Alarm) -> SafeString:
        """A link."""
        return linked(reverse("watch:experiment", args=[record.experiment_id]), record.experiment)

    def render_raised_at(self, record: Alarm) -> SafeString:
        """To the minute; when it last came below, if it came again."""
        shown = instant(record.raised_at)
        if record.count == 1:
            return shown
        return format_html(
            '{}<div class="text-secondary small">last {}</div>', shown, instant(record.last_at)
        )

    def render_actions(self, record: Alarm) -> SafeString | str:
        """Where it is acknowledged."""
        if record.acknowledged_at is not None:
            return ""
        return format_html(
            '<a class="btn btn-sm" href="{}" aria-label="Acknowledge: {}">{}Acknowledge</a>',
            reverse("alarms:alarm", args=[record.pk]),
            record.message,
            icon("check"),
        )


def state_of(alarm: Alarm) -> SafeString:
    """Say whether an alarm has passed, and who has acknowledged it."""
    passed = format_html(
        '<span class="state state-{}"><span>{}</span></span>',
        "neutral" if alarm.cleared_at is not None else "orange",
        "Passed" if alarm.cleared_at is not None else "Not passed",
    )
    if alarm.acknowledged_at is None:
        return format_html(
            '{} <span class="state state-blue"><span>Not acknowledged</span></span>', passed
        )
    by = alarm.acknowledged_by.get_username() if alarm.acknowledged_by else ""
    return format_html(
        '{} <span class="text-secondary small">acknowledged{}</span>',
        passed,
        f" by {by}" * bool(by),
    )

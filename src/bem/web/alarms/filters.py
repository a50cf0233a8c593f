"""What the list of alarms can be narrowed by."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet

from bem.lab.models import Alarm, Severity, Station
from bem.web.records.filters import RecordFilter


class AlarmFilter(RecordFilter):
    """Alarms by words, how far they are, and what they are about.

    Unless asked otherwise, those that have not passed or that nobody has acknowledged.
    """

    searched = ("message", "station__name", "experiment__name", "node__id")

    state = django_filters.ChoiceFilter(
        method="by_state",
        label="State",
        empty_label="Present",
        choices=[
            ("new", "Not acknowledged"),
            ("open", "Not passed"),
            ("acknowledged", "Acknowledged"),
            ("cleared", "Passed"),
            ("all", "All"),
        ],
    )
    severity = django_filters.ChoiceFilter(choices=Severity.choices, empty_label="All severities")
    station = django_filters.ModelChoiceFilter(
        queryset=Station.objects.only("name"), empty_label="All stations"
    )

    class Meta:
        model = Alarm
        fields = ["search", "state", "severity", "station"]

    def by_state(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep those that are as far as the choice says."""
        wanted = {
            "new": Q(acknowledged_at=None),
            "open": Q(cleared_at=None),
            "acknowledged": Q(acknowledged_at__isnull=False),
            "cleared": Q(cleared_at__isnull=False),
        }
        return rows.filter(wanted[value]) if value in wanted else rows

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what is over and seen, unless the choice says otherwise."""
        if not self.form.cleaned_data.get("state"):
            queryset = queryset.filter(Q(cleared_at=None) | Q(acknowledged_at=None))
        narrowed: QuerySet[Any] = super().filter_queryset(queryset)
        return narrowed

"""What lists of records can be narrowed by. All of it happens in the database."""

from functools import reduce
from operator import and_, or_
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict

from bem.lab.models import Battery, Experiment, Profile, Station


class RecordFilter(django_filters.FilterSet):
    """A search over several fields: every word must be in one of them."""

    searched: tuple[str, ...] = ()

    search = django_filters.CharFilter(
        method="find_words",
        label="Search",
        widget=forms.SearchInput(attrs={"placeholder": "Search", "maxlength": 200}),
    )

    def __init__(self, data: QueryDict, queryset: QuerySet[Any]) -> None:
        super().__init__(data, queryset=queryset)
        for field in self.form.fields.values():
            is_choice = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if is_choice else "form-control"

    def find_words(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep the rows that have all words."""
        words = value.split()[:10]
        if not words:
            return rows
        return rows.filter(
            reduce(
                and_,
                (
                    reduce(or_, (Q(**{f"{field}__icontains": word}) for field in self.searched))
                    for word in words
                ),
            )
        )


class RetirableFilter(RecordFilter):
    """Shows what is in use, unless asked for what is retired."""

    retired = django_filters.ChoiceFilter(
        method="by_retirement",
        label="In use",
        empty_label="In use",
        choices=[("yes", "Retired"), ("all", "In use and retired")],
    )

    def by_retirement(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep retired rows, or all; what is in use is chosen in :meth:`filter_queryset`."""
        return rows if value == "all" else rows.filter(retired_at__isnull=False)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Hide what is retired unless the choice says otherwise."""
        if not self.form.cleaned_data.get("retired"):
            queryset = queryset.filter(retired_at__isnull=True)
        narrowed: QuerySet[Any] = super().filter_queryset(queryset)
        return narrowed


class BatteryFilter(RetirableFilter):
    """Batteries by words, technology and retirement."""

    searched = ("name", "manufacturer", "model", "serial_number", "description")

    technology = django_filters.ChoiceFilter(
        choices=Battery.Technology.choices, empty_label="All technologies"
    )

    class Meta:
        model = Battery
        fields = ["search", "technology", "retired"]


class ProfileFilter(RetirableFilter):
    """Profiles by words and retirement."""

    searched = ("name", "description", "text")

    class Meta:
        model = Profile
        fields = ["search", "retired"]


class ExperimentFilter(RecordFilter):
    """Experiments by words and by everything they are made of."""

    searched = (
        "name",
        "description",
        "battery__name",
        "battery__serial_number",
        "station__name",
        "profile__name",
    )

    status = django_filters.ChoiceFilter(
        choices=Experiment.Status.choices, empty_label="All statuses"
    )
    battery = django_filters.ModelChoiceFilter(
        queryset=Battery.objects.only("name", "serial_number"), empty_label="All batteries"
    )
    station = django_filters.ModelChoiceFilter(
        queryset=Station.objects.only("name"), empty_label="All stations"
    )
    profile = django_filters.ModelChoiceFilter(
        queryset=Profile.objects.only("name"), empty_label="All profiles"
    )
    technology = django_filters.ChoiceFilter(
        field_name="battery__technology",
        label="Technology",
        choices=Battery.Technology.choices,
        empty_label="All technologies",
    )

    class Meta:
        model = Experiment
        fields = ["search", "status", "battery", "station", "profile", "technology"]

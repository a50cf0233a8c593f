"""The pages of the experiments: the list, the queue and the form. The run itself is elsewhere."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers

from bem.domain.profile.text import read_profile
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations import experiments as operations
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.fitting import Trial, misfits, try_profile
from bem.web.records.access import WritePage
from bem.web.records.filters import ExperimentFilter
from bem.web.records.forms import ExperimentForm, chosen
from bem.web.records.listing import ListPage
from bem.web.records.outline import Outline, outline_of_profile, outline_of_program
from bem.web.records.tables import ExperimentTable, RecordTable

Row = TypeVar("Row", bound=Model)


class ExperimentList(ListPage):
    """All experiments."""

    table_class = ExperimentTable
    filter_class = ExperimentFilter
    template_name = "records/experiment_list.html"
    empty_template = "records/parts/experiment_empty.html"
    order = "-id"

    def rows(self) -> QuerySet[Any]:
        """Without programs and texts, with what they are made of."""
        return Experiment.objects.select_related("battery", "station", "profile").defer(
            "program", "profile_text", "channels", "profile__text", "station__channels"
        )

    def table(self, rows: QuerySet[Any]) -> RecordTable:
        """Offer cancelling to those who may."""
        return ExperimentTable(rows, may_write=self.may_write)


class ExperimentCancel(WritePage):
    """Take an experiment out of the queue."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel, then show the list or the page that asked."""
        experiment = get_object_or_404(Experiment, pk=pk)
        try:
            operations.cancel_experiment(request.user, experiment)
        except OperationRefused as refused:
            messages.error(request, f"Not cancelled: {refused}.")
        else:
            messages.success(request, f"Experiment “{experiment}” is cancelled.")
        if request.POST.get("next") == "experiment":
            return redirect("watch:experiment", pk)
        return redirect("records:experiment-list")


@dataclass(frozen=True, slots=True)
class BatteryChoice:
    """A battery to choose, and where it is already."""

    battery: Battery
    is_chosen: bool
    held_at: str = ""


@dataclass(frozen=True, slots=True)
class StationChoice:
    """A station, and why it cannot be chosen."""

    station: Station
    is_chosen: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """A profile, and why it cannot be chosen."""

    profile: Profile
    is_chosen: bool
    reasons: tuple[str, ...]

    @property
    def more(self) -> int:
        """How many reasons there are besides the first."""
        return len(self.reasons) - 1


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen now, and the outline of what would run."""

    batteries: list[BatteryChoice]
    stations: list[StationChoice]
    profiles: list[ProfileChoice]
    outline: Outline | None
    in_amperes: bool
    suggested_name: str


class ExperimentAdd(WritePage):
    """Queue an experiment. Each choice narrows the next; the server judges all of it again."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form; to htmx only the choices, as they are after the last one made."""
        names = ("battery", "station", "profile", "name", "description")
        form = ExperimentForm(initial={name: request.GET.get(name, "") for name in names})
        return _show(request, form)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Queue it, or show what is wrong."""
        form = ExperimentForm(request.POST)
        if form.is_valid():
            try:
                experiment = operations.queue_experiment(request.user, **form.cleaned_data)
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Experiment “{experiment}” is queued.")
                return redirect("watch:experiment", experiment.pk)
        return _show(request, form)


def _show(request: HttpRequest, form: ExperimentForm) -> HttpResponse:
    is_part = request.headers.get("HX-Target") == "experiment-choices"
    template = (
        "records/parts/experiment_choices.html" if is_part else "records/experiment_form.html"
    )
    response = render(request, template, {"form": form, "choices": choices_for(request)})
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def choices_for(request: HttpRequest) -> Choices:
    """Work out what fits to what is chosen so far."""
    batteries = list(
        Battery.objects.filter(retired_at__isnull=True).select_related("lithium", "lead_acid")
    )
    battery = _find(batteries, chosen(request, "battery"))
    held = _held_batteries()
    stations = _station_choices(battery, held, chosen(request, "station"))
    station = next((one.station for one in stations if one.is_chosen and not one.reasons), None)
    profiles = list(Profile.objects.filter(retired_at__isnull=True))
    profile = _find(profiles, chosen(request, "profile"))
    trials = _trials(profiles, battery, station)
    mine = next((one for one in trials if one.profile == profile), None)
    outline = _outline(mine) if mine is not None else None
    return Choices(
        batteries=[
            BatteryChoice(one, one == battery, held[one.pk][1] if one.pk in held else "")
            for one in batteries
        ],
        stations=stations,
        profiles=sorted(
            (ProfileChoice(one.profile, one.profile == profile, one.reasons) for one in trials),
            key=lambda one: bool(one.reasons),
        ),
        outline=outline,
        in_amperes=mine is not None and mine.program is not None,
        suggested_name=f"{profile} · {battery}"[:64] if profile and battery else "",
    )


def _find(rows: list[Row], pk: int | None) -> Row | None:
    return next((row for row in rows if row.pk == pk), None)


def _held_batteries() -> dict[int, tuple[int, str]]:
    """Battery to the station (number, name) where an experiment on it is open."""
    rows = Experiment.objects.filter(status__in=Experiment.OPEN).values_list(
        "battery_id", "station_id", "station__name"
    )
    return {battery: (station, name) for battery, station, name in rows.distinct().order_by()}


def _station_choices(
    battery: Battery | None, held: dict[int, tuple[int, str]], pk: int | None
) -> list[StationChoice]:
    stations = (
        Station.objects.filter(present=True)
        .select_related("node")
        .annotate(waiting=Count("experiments", filter=Q(experiments__status__in=Experiment.OPEN)))
    )
    found = []
    for station in stations:
        reasons = misfits(battery, station) if battery is not None else []
        if battery is not None and battery.pk in held and held[battery.pk][0] != station.pk:
            reasons.append(f"the battery is at “{held[battery.pk][1]}” now")
        found.append(StationChoice(station, station.pk == pk, tuple(reasons)))
    return sorted(found, key=lambda one: bool(one.reasons))


def _trials(
    profiles: list[Profile], battery: Battery | None, station: Station | None
) -> list[Trial]:
    if battery is None or station is None:
        return [Trial(profile, None) for profile in profiles]
    battery_spec, station_spec = battery.spec(), station.spec()
    return [try_profile(profile, battery_spec, station_spec) for profile in profiles]


def _outline(trial: Trial) -> Outline:
    profile, _ = read_profile(trial.profile.text)
    if trial.program is None:
        return outline_of_profile(profile)
    return outline_of_program(profile, trial.program)

"""All stations at a glance."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bem.lab.models import Experiment, Node, Station
from bem.web.watch.access import viewers_only
from bem.web.watch.figures import Figure, figures_of
from bem.web.watch.process_hub import HUB

OFFLINE = "offline"
_COUNTED = (
    (Station.State.RUNNING, "Running"),
    (Station.State.IDLE, "Idle"),
    (Station.State.FAULT, "Fault"),
    (OFFLINE, "Offline"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """One station. ``state`` is ``offline`` while its node is."""

    station: Station
    state: str
    experiment: Experiment | None
    queued: int
    figures: tuple[Figure, ...]
    points: list[list[float | None]]
    """Age in s, V, A; oldest first."""


@dataclass(frozen=True, slots=True)
class Group:
    """A node and its stations."""

    node: Node
    cards: list[Card]


@dataclass(frozen=True, slots=True)
class Count:
    """How many stations are in a state; lost and down stations count as offline."""

    state: str
    word: str
    number: int


@require_safe
@viewers_only
def monitor(request: HttpRequest) -> HttpResponseBase:
    """Show the page, or to htmx only what may have changed."""
    parts_only = "HX-Request" in request.headers
    groups = _groups(with_points=not parts_only)
    context = {"groups": groups, "counts": _counts(groups)}
    template = "watch/parts/stations.html" if parts_only else "watch/monitor.html"
    return render(request, template, context)


def _groups(*, with_points: bool) -> list[Group]:
    stations = list(Station.objects.filter(present=True).select_related("node"))
    experiments = _running(stations)
    waiting = Counter(
        Experiment.objects.filter(status=Experiment.Status.QUEUED)
        .order_by()
        .values_list("station_id", flat=True)
    )
    groups = {node.pk: Group(node, []) for node in Node.objects.all()}
    for station in stations:
        groups[station.node_id].cards.append(
            Card(
                station=station,
                state=str(station.state) if station.node.online else OFFLINE,
                experiment=experiments.get(station.pk),
                queued=waiting[station.pk],
                figures=figures_of(station),
                points=_points(station) if with_points else [],
            )
        )
    return list(groups.values())


def _running(stations: Iterable[Station]) -> dict[int, Experiment]:
    active = (
        Experiment.objects.filter(
            status__in=Experiment.ACTIVE, station__in=[station.pk for station in stations]
        )
        .select_related("battery", "profile")
        .defer("program", "profile_text", "profile__text")
        .order_by("pk")
    )
    return {experiment.station_id: experiment for experiment in active}


def _points(station: Station) -> list[list[float | None]]:
    return [
        [round(age, 1), _short(voltage), _short(current)]
        for age, voltage, current in HUB.points((station.node_id, station.slug))
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _counts(groups: Iterable[Group]) -> list[Count]:
    silent = {OFFLINE, str(Station.State.LOST), str(Station.State.DOWN)}
    numbers = Counter(
        OFFLINE if card.state in silent else card.state for group in groups for card in group.cards
    )
    return [Count(str(state), word, numbers[str(state)]) for state, word in _COUNTED]

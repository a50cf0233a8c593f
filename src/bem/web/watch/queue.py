"""The queue of a station: its order, what is held in it, and why the first one waits."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from bem.lab.models import Experiment, Station
from bem.lab.operations import waiting
from bem.lab.operations.errors import OperationRefused
from bem.lab.waiting import next_of, queue_of, station_bars, what_follows, why_not_yet
from bem.web.records.access import WritePage

SHOWN = 20
_UNREAD = ("profile_text", "program", "expected", "channels")


@dataclass(frozen=True, slots=True)
class Place:
    """An experiment in the queue, counted from 1. ``why``: what has to happen before it starts.

    ``can_be_released``: it does not follow another by itself, and nobody has let it go yet.
    """

    experiment: Experiment
    number: int
    is_first: bool
    is_last: bool
    why: str
    can_be_released: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at a station. ``following`` is the one that has its turn.

    ``afterwards``: what it does when a run that is under way has ended, in words; else empty.
    """

    places: tuple[Place, ...]
    count: int
    following: Experiment | None
    afterwards: str


def read_queue(station: Station) -> Queue:
    """Get the first of what waits at a station, and why the next one does not start yet."""
    rows = list(
        queue_of(station.pk)
        .select_related("battery", "profile", "created_by")
        .defer(*_UNREAD, "profile__text")[: SHOWN + 1]
    )
    shown = rows[:SHOWN]
    following = next((one for one in shown if not one.held), None)
    why = _why(following, station) if following is not None else ""
    count = len(rows) if len(rows) <= SHOWN else queue_of(station.pk).count()
    return Queue(
        places=tuple(
            Place(
                experiment=one,
                number=number,
                is_first=number == 1,
                is_last=number == count,
                why=why if one is following else "",
                can_be_released=not one.follows and one.released_at is None,
            )
            for number, one in enumerate(shown, 1)
        ),
        count=count,
        following=following,
        afterwards=_afterwards(following, station) if following is not None else "",
    )


def read_afterwards(station: Station) -> str:
    """Get :attr:`Queue.afterwards` without the queue."""
    following = next_of(station.pk).select_related("battery").defer(*_UNREAD).first()
    return _afterwards(following, station) if following is not None else ""


class QueueAction(ABC, WritePage):
    """Something done to a waiting experiment; htmx gets the queue as it is then."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do it."""
        experiment = get_object_or_404(Experiment.objects.select_related("station__node"), pk=pk)
        said = self.act(request, experiment)
        station = experiment.station
        if "HX-Request" not in request.headers:
            return redirect("watch:station", pk=station.pk)
        context = {"station": station, "queue": read_queue(station), "said": said}
        return render(request, "watch/parts/queue.html", context)

    @abstractmethod
    def act(self, request: HttpRequest, experiment: Experiment) -> str:
        """Do it and say what was done, for whoever cannot see the list change."""


class QueueMove(QueueAction):
    """One place up or down."""

    def act(self, request: HttpRequest, experiment: Experiment) -> str:
        """Move it; at either end it stays where it is."""
        down = request.POST.get("to") == "down"
        order = list(queue_of(experiment.station_id).only("pk", "name", "position"))
        at = next((index for index, one in enumerate(order) if one.pk == experiment.pk), None)
        place = None if at is None else at + (1 if down else -1)
        if at is None or place is None or not 0 <= place < len(order):
            return f"“{experiment}” stays where it is."
        others = [one for one in order if one.pk != experiment.pk]
        before = others[place] if place < len(others) else None
        done = f"“{experiment}” is now {place + 1} of {len(order)}."
        return _said(
            request, lambda: waiting.move_experiment(request.user, experiment, before), done
        )


class QueueHold(QueueAction):
    """Pass it over, or let it have its turn again."""

    def act(self, request: HttpRequest, experiment: Experiment) -> str:
        """Hold it, or let it go."""
        held = request.POST.get("held") == "yes"
        done = f"“{experiment}” is held." if held else f"“{experiment}” has its turn again."
        return _said(request, lambda: waiting.hold_in_queue(request.user, experiment, held), done)


class QueueRelease(QueueAction):
    """Let one start that does not follow another by itself."""

    def act(self, request: HttpRequest, experiment: Experiment) -> str:
        """Let it go."""
        done = f"“{experiment}” may start."
        return _said(request, lambda: waiting.release_experiment(request.user, experiment), done)


def _said(request: HttpRequest, operation: Callable[[], object], done: str) -> str:
    """Do it; what is said stands beside the queue, or on top of the page that comes anew."""
    try:
        operation()
    except OperationRefused as refused:
        done = str(refused)
        if "HX-Request" not in request.headers:
            messages.error(request, done)
    return done


def _afterwards(following: Experiment, station: Station) -> str:
    if not station.experiments.filter(status__in=Experiment.ACTIVE).exists():
        return ""
    return what_follows(following, station, timezone.now())


def _why(experiment: Experiment, station: Station) -> str:
    return station_bars(station) or why_not_yet(experiment, station, timezone.now())

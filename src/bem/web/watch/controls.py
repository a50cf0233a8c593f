"""Which buttons a station and its run offer: what its state and a person's role allow, no more.

The operations and the station check again; this only keeps people from asking in vain.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from django.urls import reverse

from bem.lab.models import Experiment, Station
from bem.lab.rights import Role

Tone = Literal["", "btn-primary", "btn-danger"]

_OUTPUT_IS_OFF = ("paused", "waiting")


@dataclass(frozen=True, slots=True)
class Alternative:
    """A second way to submit a dialog: the same form, to another address."""

    submit: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One button with the dialog it opens, which asks for a note and posts it to ``address``.

    ``name`` is that of the order, and makes its ids. In the texts ``{}`` is whom it is about.
    ``with_step``: the order is about the step that the person saw; ``with_ends``: and gives it
    other ends. ``queue``: what follows if the order ends a run.
    """

    name: str
    word: str
    icon: str
    question: str
    explanation: str
    submit: str
    address: str = ""
    queue: str = ""
    alternative: Alternative | None = None
    cancel: str = "Back"
    tone: Tone = ""
    note: str = "Reason"
    note_required: bool = False
    with_step: bool = False
    with_ends: bool = False


_PAUSE = Control(
    name="pause",
    word="Pause",
    icon="player-pause",
    question="Pause “{}”?",
    explanation="The output is switched off. The run goes on at the same point of its step when "
    "somebody resumes it.",
    submit="Pause experiment",
)
_HOLD = Control(
    name="hold",
    word="Hold",
    icon="adjustments",
    question="Hold “{}” at its set point?",
    explanation="The output stays on as it is, and the step does not end, until somebody resumes. "
    "All limits stay in force.",
    submit="Hold at the set point",
)
_RESUME_HELD = Control(
    name="resume",
    word="Resume",
    icon="player-play",
    tone="btn-primary",
    question="Let “{}” go on?",
    explanation="The ends of the step are judged again from now on.",
    submit="Resume experiment",
    note="Note",
)
_RESUME_PAUSED = replace(
    _RESUME_HELD,
    explanation="The checks before a start are made again, then the output is switched on.",
)
_GO_ON = replace(_RESUME_PAUSED, word="Go on", submit="Go on now", note="What was done")
_RESUME = {"waiting": _GO_ON, "paused": _RESUME_PAUSED}
_SKIP = Control(
    name="skip",
    word="Skip step",
    icon="player-track-next",
    question="Skip the present step of “{}”?",
    explanation="It ends now, as if one of its ends held, and the next begins.",
    submit="Skip this step",
    with_step=True,
)
_ENDS = Control(
    name="ends",
    word="Change ends",
    icon="edit",
    question="Change the ends of the present step?",
    explanation="For this pass of the step alone; the profile stays as it is.",
    submit="Change ends now",
    with_step=True,
    with_ends=True,
)
_STOP = Control(
    name="stop",
    word="Stop",
    icon="player-stop",
    tone="btn-danger",
    question="Stop “{}”?",
    explanation="The output is switched off and the experiment ends. It cannot be resumed. "
    "What was recorded stays.",
    submit="Stop experiment",
    queue="Nothing follows in the queue.",
    cancel="Keep running",
)
_ACKNOWLEDGE = Control(
    name="acknowledge",
    word="Acknowledge fault",
    icon="check",
    tone="btn-primary",
    question="Acknowledge the fault?",
    explanation="{0.state_reason} Afterwards queued experiments may start here again. Look at the "
    "battery and the wiring first.",
    submit="Acknowledge",
    cancel="Cancel",
    note="What was found and done",
    note_required=True,
)
_LOCK = Control(
    name="lock",
    word="Lock",
    icon="lock",
    question="Lock “{}”?",
    explanation="Nothing starts or resumes here, whoever asks for it, until the lock is taken "
    "away: for as long as hands are in.",
    submit="Lock station",
    note="Why, and until when",
    note_required=True,
)
_UNLOCK = Control(
    name="unlock",
    word="Unlock",
    icon="lock-open",
    tone="btn-primary",
    question="Unlock “{}”?",
    explanation="Locked by {0.lock_by}: {0.lock_note}. Afterwards queued experiments may start "
    "here.",
    submit="Unlock station",
    note="Note",
)


def run_controls(
    experiment: Experiment, station: Station, role: Role, *, step: int | None, following: str
) -> tuple[Control, ...]:
    """Get what can be told to a run that is under way.

    ``step``: the present one, if known. ``following``: what waits behind it and whether that
    starts by itself, in words; empty if nothing has its turn.
    """
    if role < Role.OPERATOR or experiment.status not in Experiment.ACTIVE:
        return ()
    return tuple(
        _about(experiment, "experiment", control)
        for control in _of_run(experiment, station, step, following)
    )


def station_controls(station: Station, role: Role, username: str) -> tuple[Control, ...]:
    """Get what can be told to a station itself."""
    if role < Role.OPERATOR or not station.present:
        return ()
    return tuple(
        _about(station, "station", control) for control in _of_station(station, role, username)
    )


def _about(it: Experiment | Station, kind: str, control: Control) -> Control:
    return replace(
        control,
        address=reverse(f"watch:{kind}-{control.name}", args=[it.pk]),
        question=control.question.format(it),
        explanation=control.explanation.format(it),
    )


def _of_run(
    experiment: Experiment, station: Station, step: int | None, following: str
) -> Iterator[Control]:
    if _hears(station) and experiment.status != Experiment.Status.STARTING:
        activity = station.activity or "running"
        if activity != "running" and not station.lock_by:
            yield _RESUME.get(activity, _RESUME_HELD)
        if activity in ("running", "held"):
            yield _PAUSE
        if activity == "running":
            yield _HOLD
        if step is not None:
            yield _SKIP
            yield _ENDS
    if not following:
        yield _STOP
        return
    hold_too = reverse("watch:station-stop", args=[station.pk])
    yield replace(
        _STOP,
        queue=following,
        alternative=Alternative("Stop and hold the queue", hold_too),
    )


def _of_station(station: Station, role: Role, username: str) -> Iterator[Control]:
    if station.state == Station.State.FAULT and role >= Role.SUPERVISOR:
        yield _ACKNOWLEDGE
    if not _hears(station):
        return
    if not station.lock_by and _output_is_off(station):
        yield _LOCK
    if station.lock_by and (station.lock_by == username or role >= Role.SUPERVISOR):
        yield _UNLOCK


def _hears(station: Station) -> bool:
    return station.node.online and station.state != Station.State.DOWN


def _output_is_off(station: Station) -> bool:
    return station.state != Station.State.RUNNING or station.activity in _OUTPUT_IS_OFF

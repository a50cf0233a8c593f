"""Which buttons a station and its run offer: what its state and a person's role allow, no more.

The operations and the station check again; this only keeps people from asking in vain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.urls import reverse

from bem.lab.models import Experiment, Station
from bem.lab.rights import Role

Tone = Literal["", "btn-primary", "btn-danger"]

_OUTPUT_IS_OFF = ("paused", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One button with the dialog it opens, which asks for a note and posts it to ``address``.

    ``name`` makes its ids. ``with_step``: the order is about the step that the person saw;
    ``with_ends``: and gives it other ends.
    """

    name: str
    word: str
    icon: str
    address: str
    question: str
    explanation: str
    submit: str
    cancel: str = "Back"
    tone: Tone = ""
    note: str = "Reason"
    note_required: bool = False
    with_step: bool = False
    with_ends: bool = False


def run_controls(
    experiment: Experiment, station: Station, role: Role, *, step: int | None
) -> tuple[Control, ...]:
    """Get what can be told to a run that is under way. ``step``: the present one, if known."""
    if role < Role.OPERATOR or experiment.status not in Experiment.ACTIVE:
        return ()
    return tuple(_run_controls(experiment, station, step))


def station_controls(station: Station, role: Role, username: str) -> tuple[Control, ...]:
    """Get what can be told to a station itself."""
    if role < Role.OPERATOR or not station.present:
        return ()
    return tuple(_station_controls(station, role, username))


def _run_controls(experiment: Experiment, station: Station, step: int | None) -> Iterator[Control]:
    def address(action: str) -> str:
        return reverse(f"watch:experiment-{action}", args=[experiment.pk])

    if _hears(station) and experiment.status != Experiment.Status.STARTING:
        activity = station.activity or "running"
        if activity != "running" and not station.lock_by:
            yield _resume(experiment, activity, address("resume"))
        if activity in ("running", "held"):
            yield Control(
                name="pause",
                word="Pause",
                icon="player-pause",
                address=address("pause"),
                question=f"Pause “{experiment}”?",
                explanation="The output is switched off. The run goes on at the same point of its "
                "step when somebody resumes it.",
                submit="Pause experiment",
            )
        if activity == "running":
            yield Control(
                name="hold",
                word="Hold",
                icon="adjustments",
                address=address("hold"),
                question=f"Hold “{experiment}” at its set point?",
                explanation="The output stays on as it is, and the step does not end, until "
                "somebody resumes. All limits stay in force.",
                submit="Hold at the set point",
            )
        if step is not None:
            yield from _step_controls(experiment, address("skip"), address("ends"))
    yield Control(
        name="stop",
        word="Stop",
        icon="player-stop",
        tone="btn-danger",
        address=address("stop"),
        question=f"Stop “{experiment}”?",
        explanation="The output is switched off and the experiment ends. It cannot be resumed. "
        "What was recorded stays.",
        submit="Stop experiment",
        cancel="Keep running",
    )


def _resume(experiment: Experiment, activity: str, address: str) -> Control:
    waiting = activity == "waiting"
    return Control(
        name="resume",
        word="Go on" if waiting else "Resume",
        icon="player-play",
        tone="btn-primary",
        address=address,
        question=f"Let “{experiment}” go on?",
        explanation="The checks before a start are made again, then the output is switched on."
        if activity in _OUTPUT_IS_OFF
        else "The ends of the step are judged again from now on.",
        submit="Go on now" if waiting else "Resume experiment",
        note="What was done" if waiting else "Note",
    )


def _step_controls(experiment: Experiment, skip: str, ends: str) -> Iterator[Control]:
    yield Control(
        name="skip",
        word="Skip step",
        icon="player-track-next",
        address=skip,
        question=f"Skip the present step of “{experiment}”?",
        explanation="It ends now, as if one of its ends held, and the next begins.",
        submit="Skip this step",
        with_step=True,
    )
    yield Control(
        name="ends",
        word="Change ends",
        icon="edit",
        address=ends,
        question="Change the ends of the present step?",
        explanation="For this pass of the step alone; the profile stays as it is.",
        submit="Change ends now",
        with_step=True,
        with_ends=True,
    )


def _station_controls(station: Station, role: Role, username: str) -> Iterator[Control]:
    def address(action: str) -> str:
        return reverse(f"watch:station-{action}", args=[station.pk])

    if station.state == Station.State.FAULT and role >= Role.SUPERVISOR:
        yield Control(
            name="acknowledge",
            word="Acknowledge fault",
            icon="check",
            tone="btn-primary",
            address=address("acknowledge"),
            question="Acknowledge the fault?",
            explanation=f"{station.state_reason} Afterwards queued experiments may start here "
            "again. Look at the battery and the wiring first.",
            submit="Acknowledge",
            cancel="Cancel",
            note="What was found and done",
            note_required=True,
        )
    if not _hears(station):
        return
    if not station.lock_by and _output_is_off(station):
        yield Control(
            name="lock",
            word="Lock",
            icon="lock",
            address=address("lock"),
            question=f"Lock “{station}”?",
            explanation="Nothing starts or resumes here, whoever asks for it, until the lock is "
            "taken away: for as long as hands are in.",
            submit="Lock station",
            note="Why, and until when",
            note_required=True,
        )
    if station.lock_by and (station.lock_by == username or role >= Role.SUPERVISOR):
        yield Control(
            name="unlock",
            word="Unlock",
            icon="lock-open",
            tone="btn-primary",
            address=address("unlock"),
            question=f"Unlock “{station}”?",
            explanation=f"Locked by {station.lock_by}: {station.lock_note}. Afterwards queued "
            "experiments may start here.",
            submit="Unlock station",
            note="Note",
        )


def _hears(station: Station) -> bool:
    return station.node.online and station.state != Station.State.DOWN


def _output_is_off(station: Station) -> bool:
    return station.state != Station.State.RUNNING or station.activity in _OUTPUT_IS_OFF

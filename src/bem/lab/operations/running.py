"""What people tell a run while it is under way; the manager delivers it, the station decides."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction

from bem.domain.compiling import Capacity, compile_text
from bem.domain.profile.problems import ProfileErrors
from bem.domain.program import End, Mode, Program, StepOp, Then
from bem.lab.models import Command, Experiment, Station
from bem.lab.operations import locks
from bem.lab.operations.commands import is_told, order, refuse_twice
from bem.lab.operations.errors import OperationRefused, refusal
from bem.lab.operations.profiles import explain
from bem.lab.rights import Role, User, require

_Action = Command.Action
_RUNNING = (Experiment.Status.RUNNING,)
_UNDERWAY = (Experiment.Status.RUNNING, Experiment.Status.PAUSED)
_MAX_ENDS = 500


def pause_experiment(user: User, experiment: Experiment, note: str = "") -> Command:
    """Order the output off until somebody resumes; the step stays where it is.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it does not run, is paused, cannot be told or is being told already; the
            note is too long.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_experiment(experiment)
        # A held run keeps its set point: it can still be paused.
        at = _UNDERWAY if kept.station.activity == "held" else _RUNNING
        return _tell(user, kept, _Action.PAUSE, note, at)


def hold_experiment(user: User, experiment: Experiment, note: str = "") -> Command:
    """Order the present set point to be kept, whatever ends its step, until somebody resumes.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: as :func:`pause_experiment`.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_experiment(experiment)
        return _tell(user, kept, _Action.HOLD, note, _RUNNING)


def resume_experiment(user: User, experiment: Experiment, note: str = "") -> Command:
    """Order a paused, held or waiting run to go on at the same point of its step.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it is not paused, its station is locked, it cannot be told or is being
            told already; the note is too long.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_experiment(experiment)
        station = kept.station
        if station.lock_by:
            raise refusal(
                f"“{station}” is locked by {station.lock_by} ({station.lock_note}): unlock it first"
            )
        return _tell(user, kept, _Action.RESUME, note, (Experiment.Status.PAUSED,))


def skip_step(user: User, experiment: Experiment, step: int, note: str = "") -> Command:
    """Order the end of the step with this number, the one that the person saw.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: as :func:`pause_experiment`; there is no such step.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_experiment(experiment)
        _step(kept, step)
        return _tell(user, kept, _Action.SKIP, note, _UNDERWAY, {"step": step})


def change_ends(
    user: User, experiment: Experiment, step: int, text: str, note: str = ""
) -> Command:
    """Order other ends for this pass of the step with this number: ``until 4.1 V or for 2 h``.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: as :func:`skip_step`; the text does not say ends that this step can have.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_experiment(experiment)
        ends = _ends(kept, _step(kept, step), text)
        more = {"step": step, "ends": [end.model_dump(mode="json") for end in ends]}
        return _tell(user, kept, _Action.CHANGE_ENDS, note, _UNDERWAY, more)


def stop_experiment(user: User, experiment: Experiment, note: str = "") -> Command:
    """Order the station of an experiment to stop it. The manager delivers the command.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it does not run, or is being stopped already; the note is too long.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_experiment(experiment)
        if kept.status not in Experiment.ACTIVE:
            queued = kept.status == Experiment.Status.QUEUED
            remedy = ": cancel it instead" if queued else ""
            raise refusal(f"“{kept}” is {locks.said(kept)}, there is nothing to stop{remedy}")
        if is_told(kept.station, _Action.STOP, kept):
            raise refusal(f"“{kept}” is being stopped already: wait for the station's answer")
        return order(user, kept.station, _Action.STOP, note, experiment=kept)


def _tell(
    user: User,
    experiment: Experiment,
    action: Command.Action,
    note: str,
    at: Collection[str],
    arguments: Mapping[str, Any] | None = None,
) -> Command:
    station = experiment.station
    what = action.label.lower()
    if experiment.status not in at:
        raise refusal(f"“{experiment}” is {locks.said(experiment)}, it cannot be told to {what}")
    if not station.node.online or station.state == Station.State.DOWN:
        raise refusal(
            f"“{station}” cannot be told to {what}, nobody answers there: "
            "try again when its node is back"
        )
    refuse_twice(station, action, experiment)
    return order(user, station, action, note, experiment=experiment, arguments=arguments)


def _step(experiment: Experiment, number: int) -> StepOp:
    found = [one for one in _program(experiment).steps if one.number == number]
    if not found:
        raise refusal(f"“{experiment}” has no step {number}: load the page again", field="step")
    return found[0]


def _program(experiment: Experiment) -> Program:
    return Program.model_validate(experiment.program)


def _ends(experiment: Experiment, step: StepOp, text: str) -> tuple[End, ...]:
    """Read ends as those of a step like this one, for the same battery at the same station."""
    given = " ".join(text.split())
    if not given or len(given) > _MAX_ENDS:
        raise refusal(
            f"say when the step ends, in at most {_MAX_ENDS} characters: until 4.1 V or for 2 h",
            field="ends",
        )
    # C-rates mean what they meant when the experiment was queued.
    rated = _program(experiment).capacity
    try:
        compiled = compile_text(
            f"{_like(step)} {given}",
            experiment.battery.spec(),
            experiment.station.spec(),
            capacity=None if rated is None else Capacity(value=rated),
        )
    except ProfileErrors as error:
        raise OperationRefused({"ends": [explain(one) for one in error.problems]}) from None
    ends = compiled.steps[0].ends
    if any(end.then is Then.GO_TO for end in ends):
        raise refusal("a changed end cannot go to a label: use next, stop or fail", field="ends")
    return ends


def _like(step: StepOp) -> str:
    """Write the beginning of a line for a step that comes to its ends from the same side."""
    mode: Mode = step.setpoint.mode
    value = step.setpoint.value
    if step.course is not None:
        mode, value = step.course.mode, max(step.course.values, key=abs)
    if step.message is not None or mode is Mode.REST or value == 0:
        return "Rest"
    verb = "Charge" if value > 0 else "Discharge"
    match mode:
        case Mode.CV:
            return f"Hold at {value!r} V"
        case Mode.CR:
            return f"Discharge at {value!r} ohm"
        case Mode.CP:
            return f"{verb} at {abs(value)!r} W"
        case _:
            return f"{verb} at {abs(value)!r} A"

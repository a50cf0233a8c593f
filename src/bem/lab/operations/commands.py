"""Write down a command to a station. The manager delivers it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from bem.lab.models import Command, Experiment, Station
from bem.lab.operations.errors import Problems, check_fields, refusal
from bem.lab.rights import User

COMMAND_LIFE = timedelta(seconds=30)
"""A command that did not reach its station by then is void: nobody wants it any more."""
LONGEST_NOTE = 500
"""Most characters of the reason for a command, or of what is said about an alarm."""


def order(
    user: User,
    station: Station,
    action: Command.Action,
    note: str,
    *,
    experiment: Experiment | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Command:
    """Write down a command by a person; the rights and the moment are the caller's to check.

    ``arguments`` are what the action needs besides its experiment, the person's name and the note.

    Raises:
        OperationRefused: the note is too long.
    """
    told: dict[str, Any] = {"by": user.get_username(), "note": note.strip(), **(arguments or {})}
    if experiment is not None:
        told["experiment"] = str(experiment.uuid)
    command = Command(
        station=station,
        experiment=experiment,
        action=action,
        arguments=told,
        note=note.strip(),
        issued_by_id=user.pk,
        expires_at=timezone.now() + COMMAND_LIFE,
    )
    problems = Problems()
    check_fields(command, problems, exclude=["issued_by", "experiment", "arguments"])
    problems.refuse_if_any()
    command.save(force_insert=True)
    return command


def is_told(station: Station, action: Command.Action, experiment: Experiment | None = None) -> bool:
    """Whether a station is being told the same already, of any experiment or of this one."""
    underway = station.commands.filter(
        action=action, status__in=Command.OPEN, expires_at__gt=timezone.now()
    )
    if experiment is not None:
        underway = underway.filter(experiment=experiment)
    return underway.exists()


def refuse_twice(
    station: Station, action: Command.Action, experiment: Experiment | None = None
) -> None:
    """Make sure that a station is not being told the same already.

    Raises:
        OperationRefused: it is; its answer is to be waited for.
    """
    if is_told(station, action, experiment):
        what = action.label.lower()
        raise refusal(f"“{station}” is being told already ({what}): wait for its answer")

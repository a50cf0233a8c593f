"""Write down a command to a station. The manager delivers it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from bem.lab.models import Command, Experiment, Station
from bem.lab.operations.errors import Problems, check_fields
from bem.lab.rights import User

COMMAND_LIFE = timedelta(seconds=30)
"""A command that did not reach its station by then is void: nobody wants it any more."""


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

"""What a station can be told, checked before it reaches the control loop.

Refusals say ``retry`` where the cause passes: see :data:`RETRY_CAUSES`.
"""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bem.domain.program import End, Limit, Program
from bem.runtime.local import LocalReply

RETRY_CAUSES = (
    "an experiment is running",
    "a fault is latched and waits for a person",
    "a person has locked the station",
    "the device is lost, or its readings are not usable yet",
    "the device reports faults",
    "the journal cannot record",
    "the control loop is busy",
)
"""Refusals that may succeed later, unchanged. All others are about the command itself."""

OnInterruption = Literal["resume", "wait", "end"]
"""``resume``: goes on by itself when every check before start passes; ``wait``: stays open until a
person resumes or stops it; ``end``: is over."""

_LONGEST_REASON = 900
"""Characters; what carries the reason to the server allows 1000."""


class Refused(Exception):
    """A command that is not executed. ``retry``: for a passing cause."""

    def __init__(self, reason: str, retry: bool = False) -> None:
        super().__init__(reason)
        self.retry = retry

    def reply(self) -> LocalReply:
        """Get the refusal as it goes over the wire."""
        return LocalReply(ok=False, reason=str(self)[:_LONGEST_REASON], retry=self.retry)


class _Arguments(BaseModel):
    # Whoever sends commands may say more than we need; it is kept in their records, not in ours.
    model_config = ConfigDict(frozen=True, extra="ignore")

    by: str = Field(default="", max_length=150)
    """Who ordered it."""
    note: str = Field(default="", max_length=500)
    """Why."""


class StartOrder(_Arguments):
    """Run a program as an experiment on a battery.

    ``limits`` are the experiment's own, beside those of the program. ``on_interruption``: what
    becomes of the run after a power cut, a crash or a restart of its station.
    """

    experiment: UUID
    name: str = Field(min_length=1, max_length=200)
    program: Program
    battery: str = Field(default="", max_length=200)
    limits: tuple[Limit, ...] = ()
    on_interruption: OnInterruption = "end"


class _RunOrder(_Arguments):
    """Something about the run of an experiment."""

    experiment: UUID


class StopOrder(_RunOrder):
    """Stop an experiment."""

    @property
    def sentence(self) -> str:
        """Who stopped it and why, in words."""
        who = f"stopped by {self.by}" if self.by else "stopped by command"
        return f"{who}: {self.note}" if self.note else who


class PauseOrder(_RunOrder):
    """Switch the output off, to go on later at the same point of the step."""


class HoldOrder(_RunOrder):
    """Keep the set point; no end is judged until the run goes on."""


class ResumeOrder(_RunOrder):
    """Go on: after a pause, a hold, a step that waits for a person, or an interruption."""


class SkipOrder(_RunOrder):
    """End the step that the person saw."""

    step: int = Field(ge=1)


class ChangeEndsOrder(_RunOrder):
    """Change the ends of the step that the person saw, for this pass of it."""

    step: int = Field(ge=1)
    ends: tuple[End, ...]


class AcknowledgeOrder(_Arguments):
    """A person has seen the fault."""


class LockOrder(_Arguments):
    """Let nothing start: hands are in."""


class UnlockOrder(_Arguments):
    """Hands are out."""


Order = (
    StartOrder
    | StopOrder
    | PauseOrder
    | HoldOrder
    | ResumeOrder
    | SkipOrder
    | ChangeEndsOrder
    | AcknowledgeOrder
    | LockOrder
    | UnlockOrder
)
_KINDS: dict[str, type[Order]] = {
    "start": StartOrder,
    "stop": StopOrder,
    "pause": PauseOrder,
    "hold": HoldOrder,
    "resume": ResumeOrder,
    "skip": SkipOrder,
    "change_ends": ChangeEndsOrder,
    "acknowledge": AcknowledgeOrder,
    "lock": LockOrder,
    "unlock": UnlockOrder,
}


def parse_order(action: str, arguments: Mapping[str, Any]) -> Order:
    """Check a command's arguments.

    Raises:
        Refused: an action that is not known, or arguments it does not take; names each.
    """
    kind = _KINDS.get(action)
    if kind is None:
        raise Refused(f"no action {action!r}; a station knows {', '.join(_KINDS)}")
    try:
        return kind.model_validate(dict(arguments))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise Refused(f"cannot {action}: {problems}") from error

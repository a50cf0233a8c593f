"""What a station can be told, checked before it reaches the control loop.

Refusals say ``retry`` where the cause passes: see :data:`RETRY_CAUSES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bem.domain.limits import Limits, trip_limits, violations
from bem.domain.program import Mode, Program
from bem.runtime.local import LocalReply
from bem.station.power import limits_of
from bem_drivers.base import Protection, Ratings

RETRY_CAUSES = (
    "an experiment is running",
    "a fault is latched and waits for a person",
    "the device is lost, or its readings are not usable yet",
    "the device reports faults",
    "the journal cannot record",
    "the control loop is busy",
)
"""Refusals that may succeed later, unchanged. All others are about the command itself."""

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


class StartOrder(_Arguments):
    """Run a program as an experiment."""

    experiment: UUID
    name: str = Field(min_length=1, max_length=200)
    program: Program


class StopOrder(_Arguments):
    """Stop an experiment. ``by`` and ``note`` say who and why."""

    experiment: UUID
    by: str = Field(default="", max_length=150)
    note: str = Field(default="", max_length=500)

    @property
    def sentence(self) -> str:
        """Who stopped it and why, in words."""
        who = f"stopped by {self.by}" if self.by else "stopped by command"
        return f"{who}: {self.note}" if self.note else who


class AcknowledgeOrder(_Arguments):
    """A person has seen the fault."""


Order = StartOrder | StopOrder | AcknowledgeOrder
_KINDS: dict[str, type[StartOrder] | type[StopOrder] | type[AcknowledgeOrder]] = {
    "start": StartOrder,
    "stop": StopOrder,
    "acknowledge": AcknowledgeOrder,
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


@dataclass(frozen=True, slots=True)
class Safeguards:
    """What holds during a run: limits judged here at every reading, and the device's own.

    ``required``: further channels that must keep giving values for the limits to be watched.
    """

    limits: Limits
    protection: Protection
    required: frozenset[str]


def safeguards(
    program: Program, ratings: Ratings, values: Mapping[str, float], silence_s: float
) -> Safeguards:
    """Check a program against the device and the battery as it lies there; get what shall hold.

    ``values`` is what is measured now with the output off; ``silence_s`` (s) how long the device
    tolerates silence.

    Raises:
        Refused: the program asks for more than the device can do, the open-circuit voltage is
            outside of the program's window, or a temperature is bounded and none is measured.
    """
    rated = limits_of(ratings)
    _check_within(program.operating, rated)
    operating = _completed(program.operating, rated)
    _check_setpoints(program, operating)
    trip = trip_limits(operating)
    voltage = values["voltage"]
    found = violations(trip, {"voltage": voltage})
    if found:
        raise Refused(
            f"the open-circuit {found[0]}; check battery, wiring and polarity, "
            f"and that this is the battery the program was made for"
        )
    temperatures = frozenset(name for name in values if name.startswith("temperature"))
    bounded = trip.temperature_min is not None or trip.temperature_max is not None
    if bounded and not temperatures:
        raise Refused("the program limits temperature, but this station measures none")
    found = violations(trip, {name: values[name] for name in temperatures})
    if found:
        raise Refused(str(found[0]), retry=True)
    return Safeguards(
        limits=trip,
        protection=_protection(trip, rated, program.operating, silence_s),
        required=temperatures if bounded else frozenset(),
    )


def _check_within(asked: Limits, rated: Limits) -> None:
    for name in Limits.model_fields:
        bound, rating = getattr(asked, name), getattr(rated, name)
        if bound is None or rating is None:
            continue
        if bound < rating if name.endswith("_min") else bound > rating:
            raise Refused(
                f"{name} {bound:g} of the program is beyond the {rating:g} of this station's device"
            )


def _completed(operating: Limits, rated: Limits) -> Limits:
    """Fill bounds that a program leaves open with those of the device."""
    given = operating.model_dump(exclude_none=True)
    try:
        return Limits.model_validate(rated.model_dump(exclude_none=True) | given)
    except ValidationError as error:
        raise Refused(
            f"the program's limits leave nothing of this device: {error.errors()[0]['msg']}"
        ) from error


def _check_setpoints(program: Program, operating: Limits) -> None:
    bounded = {Mode.CC: "current", Mode.CV: "voltage", Mode.CP: "power"}
    for step in program.steps:
        quantity = bounded.get(step.setpoint.mode)
        if quantity is None:
            continue
        low, high = getattr(operating, f"{quantity}_min"), getattr(operating, f"{quantity}_max")
        if not low <= step.setpoint.value <= high:
            raise Refused(
                f"step {step.number}: {quantity} {step.setpoint.value:g} is outside of the "
                f"{low:g} to {high:g} of this station's device"
            )


def _protection(trip: Limits, rated: Limits, operating: Limits, silence_s: float) -> Protection:
    def inside(name: str) -> float:
        bound, rating = float(getattr(trip, name)), float(getattr(rated, name))
        return max(bound, rating) if name.endswith("_min") else min(bound, rating)

    return Protection(
        voltage_min=inside("voltage_min"),
        voltage_max=inside("voltage_max"),
        current_min=inside("current_min"),
        current_max=inside("current_max"),
        power_min=None if operating.power_min is None else inside("power_min"),
        power_max=None if operating.power_max is None else inside("power_max"),
        temperature_min=trip.temperature_min,
        temperature_max=trip.temperature_max,
        silence_s=silence_s,
    )

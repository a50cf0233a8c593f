"""What the compiler and the safety checks need to know of a battery and of a station."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bem.domain.limits import Limits


class Technology(StrEnum):
    """The families of batteries, each with fields of its own."""

    LITHIUM = "lithium"
    LEAD_ACID = "lead_acid"
    REDOX_STACK = "redox_stack"


CapacitySource = Literal["nominal", "measured"]


class BatterySpec(BaseModel):
    """The battery as far as a program depends on it: limits in V and A, capacity in Ah.

    ``capacity`` is ``None`` where it is not known (redox-flow stacks): C-rates then do not compile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    technology: Technology
    limits: Limits
    capacity: float | None = Field(default=None, gt=0)


class Capacity(BaseModel):
    """What C-rates are taken of, in Ah, and how it is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float = Field(gt=0)
    source: CapacitySource = "nominal"


class StationSpec(BaseModel):
    """The station as far as a program depends on it: what its power path can do.

    ``channels`` are the names of what it reads besides voltage, current and power; ``None`` where
    that is not known: then nobody says that an end or a limit has nothing to look at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    limits: Limits
    channels: tuple[str, ...] | None = None

"""What the compiler and the safety checks need to know of a battery and of a station."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bem.domain.limits import Limits


class Technology(StrEnum):
    """The families of batteries, each with fields of its own."""

    LITHIUM = "lithium"
    LEAD_ACID = "lead_acid"
    REDOX_STACK = "redox_stack"


class BatterySpec(BaseModel):
    """The battery as far as a program depends on it: limits in V and A, capacity in Ah.

    ``capacity`` is ``None`` where it is not known (redox-flow stacks): C-rates then do not compile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    technology: Technology
    limits: Limits
    capacity: float | None = Field(default=None, gt=0)


class StationSpec(BaseModel):
    """The station as far as a program depends on it: what its power path can do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    limits: Limits

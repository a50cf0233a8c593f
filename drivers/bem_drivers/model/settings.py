"""What a battery model is made from."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Chemistry(StrEnum):
    """Which open-circuit curve a battery follows."""

    NMC = "nmc"
    LFP = "lfp"
    LEAD_ACID = "lead-acid"


class BatteryModelSettings(BaseModel):
    """A battery to simulate.

    Resistances are those of the whole battery in ohm. Left out, they follow from the capacity
    (50 mOhm and 30 mOhm for a cell of 1 Ah, half of that for one of 2 Ah), and so do heat
    capacity and thermal resistance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    chemistry: Chemistry = Chemistry.NMC
    capacity_ah: float = Field(default=2.5, gt=0, le=100_000, description="capacity (Ah)")
    soc: float = Field(default=0.5, ge=0, le=1, description="state of charge at the start (0..1)")
    cells: int = Field(default=1, ge=1, le=1000, description="cells in series")
    resistance_ohm: float | None = Field(default=None, gt=0, description="instant resistance")
    polarisation_ohm: float | None = Field(default=None, gt=0, description="slow resistance")
    polarisation_s: float = Field(default=30.0, gt=0, description="time constant (s) of the latter")
    ambient_degc: float = Field(default=25.0, ge=-60, le=120, description="temperature around it")
    heat_capacity_j_per_k: float | None = Field(default=None, gt=0)
    thermal_resistance_k_per_w: float | None = Field(default=None, gt=0)

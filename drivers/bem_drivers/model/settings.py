"""What a battery model is made from."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Chemistry(StrEnum):
    """Which open-circuit curve a battery follows."""

    NMC = "nmc"
    NCA = "nca"
    LMO = "lmo"
    LFP = "lfp"
    LCO = "lco"
    LEAD_ACID = "lead-acid"
    """Liquid electrolyte."""
    LEAD_ACID_GEL = "lead-acid-gel"
    VANADIUM = "vanadium"
    """A redox-flow stack with vanadium on both sides."""


class BatteryModelSettings(BaseModel):
    """A battery to simulate.

    Resistances are those of the whole battery in ohm. Left out, they follow from the capacity
    (50 mOhm and 30 mOhm for a cell of 1 Ah, half of that for one of 2 Ah), and so do heat
    capacity and thermal resistance.

    ``voltage_empty`` and ``voltage_full`` are open-circuit voltages of the whole battery between
    which its capacity lies; left out, the ends of the chemistry's curve.

    Raises:
        pydantic.ValidationError: a value out of its range, an empty battery not below a full one.
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
    voltage_empty: float | None = Field(default=None, gt=0, description="open circuit (V) at soc 0")
    voltage_full: float | None = Field(default=None, gt=0, description="open circuit (V) at soc 1")
    coulombic_efficiency: float = Field(
        default=1.0, gt=0, le=1, description="share of the charge put in that is stored"
    )
    fade_per_cycle: float = Field(
        default=0.0, ge=0, lt=1, description="share of the capacity lost by moving it in and out"
    )
    resistance_growth_per_cycle: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="share of the first resistances added by moving the capacity in and out",
    )

    @model_validator(mode="after")
    def _empty_below_full(self) -> "BatteryModelSettings":
        empty, full = self.voltage_empty, self.voltage_full
        if empty is not None and full is not None and empty >= full:
            raise ValueError(f"voltage_empty {empty:g} must be below voltage_full {full:g}")
        return self

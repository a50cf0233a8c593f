"""What a person says about a BMS. Imports no CAN library."""

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.can import CanSettings


class BmsSettings(BaseModel):
    """Where a BMS is, and what its numbers mean.

    The maker states no units. The defaults are what is plausible: mV, 0.1 degC, mbar. Compare them
    with a meter before a limit depends on them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bus: CanSettings
    can_id: int = Field(
        default=0x101,
        ge=0x100,
        le=0x120,
        title="CAN identifier",
        description="identifier of all its frames, 256 to 288 (0x100 to 0x120)",
    )
    silence_s: float = Field(
        default=30.0,
        ge=1.0,
        le=600.0,
        title="Silence",
        description="time (s) without a complete message after which the BMS is lost",
    )
    open_timeout_s: float = Field(
        default=5.0,
        ge=0.1,
        le=8.0,
        title="First message within",
        description="time (s) to wait for the first message; a station must not wait for longer",
    )
    volt_per_count: float = Field(
        default=0.001,
        gt=0,
        le=1,
        title="Voltage of a count",
        description="V; the maker states no unit, mV is assumed",
    )
    degc_per_count: float = Field(
        default=0.1,
        gt=0,
        le=10,
        title="Temperature of a count",
        description="degC; the maker states no unit, 0.1 degC is assumed",
    )
    pascal_per_count: float = Field(
        default=100.0,
        gt=0,
        le=1_000_000,
        title="Pressure of a count",
        description="Pa; the maker states no unit, mbar (100 Pa) is assumed",
    )

"""What a person says about a BK 2831E or 5491B. Imports no serial library."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bem_drivers.line.settings import SerialSettings, TcpSettings

RANGES = (0.002, 0.02, 0.2, 2.0, 20.0, 200.0, 1000.0)
INTEGRATION_TIMES = (0.1, 1.0, 10.0)
HIGHEST_CURRENT = 20.0


class Quantity(StrEnum):
    """What the meter measures; it does one at a time."""

    VOLTAGE_DC = "voltage_dc"
    CURRENT_DC = "current_dc"
    VOLTAGE_AC = "voltage_ac"
    CURRENT_AC = "current_ac"
    RESISTANCE = "resistance"

    @property
    def is_current(self) -> bool:
        """Whether the meter lies in the path of the current."""
        return self in (Quantity.CURRENT_DC, Quantity.CURRENT_AC)

    @property
    def is_signed(self) -> bool:
        """Whether turning the leads round turns the sign."""
        return self in (Quantity.VOLTAGE_DC, Quantity.CURRENT_DC)


class Bk2831Serial(SerialSettings):
    """The meter's own port: 38400 bit/s 8N1 (devices.md §4)."""

    baudrate: int = Field(
        default=38_400, ge=50, le=4_000_000, title="Baud rate", description="bit/s"
    )


class Bk2831Settings(BaseModel):
    """Where a meter is and what it measures.

    With ``serial_number`` another meter at the same address is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    address: Annotated[Bk2831Serial | TcpSettings, Field(discriminator="kind")] = Field(
        title="Address", description="serial port or network address"
    )
    quantity: Quantity = Field(default=Quantity.VOLTAGE_DC, title="Quantity")
    range: float | None = Field(
        default=None,
        title="Range",
        description="0.002, 0.02, 0.2, 2, 20, 200 or 1000; empty lets the meter choose",
    )
    nplc: float | None = Field(
        default=None,
        title="Integration time",
        description="in periods of the mains (NPLC): 0.1, 1 or 10, for voltage_dc only; empty is 1",
    )
    reversed: bool = Field(
        default=False,
        title="Leads reversed",
        description="turn the sign, for a meter whose leads are the other way round",
    )
    serial_number: str | None = Field(
        default=None,
        min_length=1,
        title="Serial number",
        description="refuse any other meter; empty takes each",
    )
    reply_timeout_s: float = Field(
        default=1.0,
        ge=0.05,
        le=10.0,
        title="Reply timeout",
        description="for each question; a reading with NPLC 10 takes 0.2 s",
    )

    @model_validator(mode="after")
    def _measurable(self) -> "Bk2831Settings":
        _refuse_unknown("range", self.range, RANGES)
        _refuse_unknown("nplc", self.nplc, INTEGRATION_TIMES)
        if self.quantity.is_current and (self.range or 0.0) > HIGHEST_CURRENT:
            raise ValueError(f"range {self.range:g} A is beyond the 20 A of the meter")
        if self.nplc is not None and self.quantity is not Quantity.VOLTAGE_DC:
            raise ValueError(
                f"nplc is for voltage_dc: leave it out for {self.quantity}, whose integration time "
                "is set at the meter"
            )
        if self.reversed and not self.quantity.is_signed:
            raise ValueError(f"{self.quantity} has no sign: leave reversed out")
        return self


def _refuse_unknown(name: str, value: float | None, known: tuple[float, ...]) -> None:
    if value is not None and value not in known:
        raise ValueError(
            f"{name} {value:g} is none of the meter's: {', '.join(f'{one:g}' for one in known)}"
        )

"""What a person says about an EA supply. Imports no serial library."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.line.settings import SerialSettings, TcpSettings


class EaSerialSettings(SerialSettings):
    """A serial port as EA supplies use it: 9600 baud, 8 data bits, odd parity, 1 stop bit."""

    parity: Literal["none", "odd", "even"] = "odd"


class EaSettings(BaseModel):
    """Where an EA supply is, and which output of it is meant.

    With ``serial_number`` another unit at the same address is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[EaSerialSettings | TcpSettings, Field(discriminator="kind")] = Field(
        title="Address", description="serial port or TCP"
    )
    output: Literal[1, 2] | None = Field(
        default=None,
        title="Output",
        description="1 or 2 of a unit with two outputs (PS 2384); left out for all others",
    )
    serial_number: str | None = Field(
        default=None,
        min_length=1,
        title="Serial number",
        description="as on the type plate; another unit is refused",
    )
    reply_timeout_s: float = Field(
        default=0.5,
        ge=0.05,
        le=5.0,
        title="Reply timeout (s)",
        description="how long an answer may take (s)",
    )

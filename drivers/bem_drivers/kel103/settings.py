"""What a person says about an RS-KEL103. Imports no serial library."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.line.settings import SerialSettings, TcpSettings


class Kel103Serial(SerialSettings):
    """The load's own port: 115200 bit/s 8O1 (devices.md §4); over USB the parity means nothing."""

    baudrate: int = Field(
        default=115_200, ge=50, le=4_000_000, title="Baud rate", description="bit/s"
    )
    parity: Literal["none", "odd", "even"] = Field(default="odd", title="Parity")


class Kel103Settings(BaseModel):
    """Where a load is. With ``serial_number`` another load at the same address is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    address: Annotated[Kel103Serial | TcpSettings, Field(discriminator="kind")] = Field(
        title="Address", description="serial port or network address"
    )
    serial_number: str | None = Field(
        default=None,
        min_length=1,
        title="Serial number",
        description="refuse any other load; empty takes each",
    )
    reply_timeout_s: float = Field(
        default=0.2,
        ge=0.02,
        le=5.0,
        title="Reply timeout",
        description="for each of two attempts",
    )
    off_current: float = Field(
        default=0.02,
        gt=0,
        le=0.5,
        title="Current when off",
        description="most (A) that the load may measure while its input is off",
    )

"""What a person says about a flow meter. Imports no port library."""

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.line import SerialSettings, TcpSettings


class FlowPort(SerialSettings):
    """A serial port with the settings of the meter (devices.md section 4): 19200 8N1."""

    baudrate: int = Field(
        default=19200, ge=50, le=4_000_000, title="Baud rate", description="speed (bit/s)"
    )


class FlowSettings(BaseModel):
    """Where a flow meter is. With ``serial_number`` another meter is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: FlowPort | TcpSettings = Field(discriminator="kind", title="Address")
    serial_number: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,9}$",
        title="Serial number",
        description="the device number that the meter tells, such as 001",
    )
    reply_timeout_s: float = Field(
        default=0.5, ge=0.05, le=5.0, title="Reply timeout", description="for each question"
    )
    start_up_s: float = Field(
        default=2.0,
        ge=0.0,
        le=30.0,
        title="Start-up time",
        description="opening its port restarts an Arduino, which is deaf meanwhile",
    )

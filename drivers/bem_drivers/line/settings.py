"""Where a device is that speaks in lines."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class SerialSettings(BaseModel):
    """A serial port.

    ``port`` is best a stable name, which a device keeps when it is plugged in elsewhere. A driver
    whose device needs other port settings than these has a subclass with its own defaults, so that
    a person names the port only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["serial"] = "serial"
    port: str = Field(min_length=1, title="Port", description="such as /dev/bem/ea-123")
    baudrate: int = Field(
        default=9600, ge=50, le=4_000_000, title="Baud rate", description="speed (bit/s)"
    )
    parity: Literal["none", "odd", "even"] = Field(default="none", title="Parity")
    data_bits: Literal[8] = Field(default=8, title="Data bits")
    stop_bits: Literal[1, 2] = Field(default=1, title="Stop bits")

    @property
    def name(self) -> str:
        """The port as a person knows it, such as ``serial /dev/bem/ea-123``."""
        return f"serial {self.port}"


class TcpSettings(BaseModel):
    """A device, or a serial device server, on the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["tcp"] = "tcp"
    host: str = Field(min_length=1, title="Host", description="name or address")
    port: int = Field(ge=1, le=65535, title="Port", description="such as 5025")

    @property
    def name(self) -> str:
        """The address as a person knows it, such as ``tcp 10.0.0.5:5025``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp {host}:{self.port}"


LineAddress = Annotated[SerialSettings | TcpSettings, Field(discriminator="kind")]

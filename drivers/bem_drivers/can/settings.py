"""Where a CAN bus is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class CanSettings(BaseModel):
    """A CAN adapter.

    ``channel`` is a serial port for ``slcan`` (``/dev/ttyACM0``), an interface of the kernel for
    ``socketcan`` (``can0``, whose bit rate the kernel has been told already) and a name
    for ``virtual`` (threads of one process). SocketCAN shares one bus among processes; an
    ``slcan`` port has one owner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: Literal["slcan", "socketcan", "virtual"] = "socketcan"
    channel: str = Field(default="can0", min_length=1)
    bitrate: int = Field(default=125_000, gt=0, title="Bit rate", description="bit/s")
    settle_s: float = Field(
        default=0.0,
        ge=0,
        le=10,
        title="Settling time",
        description="wait (s) after opening an slcan port",
    )

"""What a person says about an EPC. Imports no CAN library."""

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bem_drivers.can import CanSettings
from bem_drivers.epc.bus_load import least_period_s

BMS_IDS = range(0x10, 0x13)
MOST_UNITS = 45
"""Ids from 0x13 to 0x3F."""


class EpcSettings(BaseModel):
    """Where an EPC is.

    ``device_id`` is compiled into its firmware. With ``serial_number`` another unit with the same
    id is refused. ``units_on_bus`` is how many EPCs hang on the bus, this one included: nothing
    there can tell, and each driver keeps to its share.

    Raises:
        pydantic.ValidationError: an id of a BMS, or more units than the bit rate can carry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bus: CanSettings
    device_id: int = Field(
        default=0x13, ge=0x00, le=0x3F, title="CAN id", description="such as 19 or 0x13"
    )
    serial_number: int | None = Field(default=None, ge=0, le=255)
    reply_timeout_s: float = Field(default=0.1, ge=0.03, le=2.0, description="for each question")
    units_on_bus: int = Field(
        default=1,
        ge=1,
        le=MOST_UNITS,
        title="EPCs on this bus",
        description="this one included; with many, readings get rarer (30 units: each 140 ms)",
    )

    @field_validator("device_id")
    @classmethod
    def _beside_bms(cls, device_id: int) -> int:
        if device_id in BMS_IDS:
            raise ValueError(
                f"EPC id 0x{device_id:02X} uses CAN identifiers from 0x{device_id << 4:X}, where "
                "a BMS sends (0x100 to 0x120); give the unit an id from 0x13 to 0x3F"
            )
        return device_id

    @model_validator(mode="after")
    def _room_for_all(self) -> "EpcSettings":
        least_period_s(self.units_on_bus, self.bus.bitrate)
        return self

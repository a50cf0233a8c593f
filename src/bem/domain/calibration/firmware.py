"""The constants in the firmware image of an EPC that a check speaks for (devices.md section 5)."""

from pydantic import BaseModel, ConfigDict, Field

from bem.domain.calibration.course import Quantity
from bem.domain.calibration.fit import Fit

MILLI = 1000


class Constants(BaseModel):
    """What makes mV or mA of raw counts: ``counts * factor / 4095 + offset``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: int = Field(ge=1, le=0xFFFF)
    offset: int = Field(ge=-0x8000, le=0x7FFF)


DEFAULTS = {
    Quantity.VOLTAGE: Constants(factor=6000, offset=0),
    Quantity.CURRENT: Constants(factor=33000, offset=-16000),
    Quantity.SUPPLY_VOLTAGE: Constants(factor=15000, offset=0),
}
"""Those of an image that nobody has calibrated (devices.md section 5)."""


def corrected(fit: Fit, present: Constants) -> Constants:
    """Get the constants by which the unit would have read what the reference did.

    A unit tells no raw counts over CAN, but its present constants tell them from what it reads:
    counts = (reading - offset) * 4095 / factor. With reference = gain * reading + b in mV or mA the
    line over counts has a = gain * factor / 4095, so that factor = round(a * 4095) and
    offset = round(gain * offset + b), as in devices.md section 5.

    Raises:
        ValueError: the image has no room for them.
    """
    return Constants(
        factor=round(fit.gain * present.factor),
        offset=round(fit.gain * present.offset + fit.offset * MILLI),
    )

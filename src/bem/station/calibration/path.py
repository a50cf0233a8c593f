"""What brings the terminals to a set point and judges what is read there."""

from collections.abc import Sequence
from typing import Protocol

from bem.domain.calibration.course import Point, Quantity
from bem.domain.limits import Limits
from bem_drivers.base import Measured, Reading


class Abandoned(Exception):
    """The check ended without a result. The message says why, and what to do."""


class Left(Exception):
    """The battery comes near to a limit at this point. The message says to which."""


class PointsPlanned(Protocol):
    """Set points in their order, within limits."""

    @property
    def quantity(self) -> Quantity:
        """What is compared."""
        ...

    @property
    def limits(self) -> Limits:
        """What is kept."""
        ...

    @property
    def set_points(self) -> tuple[float, ...]:
        """V or A."""
        ...

    def centre(self, voltage: float) -> float:
        """Get from where points are taken outwards, with ``voltage`` (V) at the device."""
        ...

    def hindrance(self, set_point: float, taken: Sequence[Point]) -> str:
        """Say why a point must not be taken after those; empty if it may."""
        ...

    def doubt(self, point: Point) -> str:
        """Say why the values of a point cannot be of one thing; empty if they can."""
        ...


class Path(Protocol):
    """A power path whose terminals device and reference measure, open and off at first."""

    def set(self, set_point: float) -> None:
        """Bring the terminals there.

        Raises:
            DeviceError: as the driver says.
        """
        ...

    def rest(self) -> None:
        """Switch off.

        Raises:
            DeviceError: as the driver says.
        """
        ...

    def read(self) -> Reading:
        """Feed all watchdogs and read the device that is checked.

        Raises:
            DeviceError: as the driver says.
        """
        ...

    def judge(self, reading: Reading, reference: Measured | None) -> None:
        """Look at the newest readings.

        Raises:
            Abandoned: a limit was passed, or something fails. Left: this point cannot be held.
        """
        ...

    def unready(self, reading: Reading, reference: Measured) -> str:
        """Say why points cannot be taken yet; empty if they can.

        Raises:
            Abandoned: nor can they later.
        """
        ...

    def missed(self, point: Point) -> str:
        """Say why a point is none; empty if it is one.

        Raises:
            Abandoned: none can follow.
        """
        ...

"""A device that is checked while it drives its battery itself."""

from bem.domain.calibration.course import Course, Point, Quantity
from bem.domain.limits import Limits, trip_limits, violations
from bem.station.calibration.path import Abandoned, Left
from bem_drivers.base import OFF, Command, Measured, Mode, PowerDevice, Reading


class OwnPath:
    """Has a device that is protected take the set points of ``course``."""

    def __init__(self, device: PowerDevice, course: Course) -> None:
        self._device = device
        self._course = course
        self._command = OFF
        self._trip = trip_limits(course.limits)
        self._near = Limits(
            voltage_min=course.inner.voltage_min, voltage_max=course.inner.voltage_max
        )

    def set(self, set_point: float) -> None:
        """Regulate the voltage, or the current; no current is an output that is off."""
        self._device.keep_alive()
        command = self._command_for(set_point)
        if command is OFF:
            self.rest()
            return
        self._command = command
        self._device.apply(command)

    def rest(self) -> None:
        """Switch off."""
        self._command = OFF
        self._device.make_safe()

    def read(self) -> Reading:
        """Feed the watchdog and read."""
        self._device.keep_alive()
        return self._device.read()

    def judge(self, reading: Reading, reference: Measured | None) -> None:
        """Compare what is read with the limits of the battery.

        Raises:
            Abandoned: a limit was passed, or the device fails. Left: the battery comes near to a
                limit of its voltage while a current flows.
        """
        if reading.faults:
            raise Abandoned(f"the device reports: {', '.join(reading.faults)}")
        active = reading.active
        if self._command is not OFF and active is not None and active.mode is Mode.OFF:
            raise Abandoned(
                "the device switched itself off; it may have come to one of its limits: begin with "
                "the battery half charged, or give narrower limits"
            )
        values = {name: one.value for name, one in reading.values.items()}
        values.setdefault("power", values["voltage"] * values["current"])
        found = violations(self._trip, values)
        if reference is not None:
            found += violations(self._trip, {str(self._course.quantity): reference.value})
        if found:
            raise Abandoned(f"a limit was passed: {found[0]}")
        if self._command is not OFF and self._course.quantity is Quantity.CURRENT:
            near = violations(self._near, {"voltage": values["voltage"]})
            if near:
                raise Left(f"the battery came near to a limit: {near[0]}")

    def unready(self, reading: Reading, reference: Measured) -> str:  # noqa: ARG002 - a path's
        """Refuse a battery that is at its limits from the beginning.

        Raises:
            Abandoned: it is.
        """
        found = violations(self._near, {"voltage": reading.values["voltage"].value})
        if found:
            raise Abandoned(
                f"the battery is too near to its limits to begin: {found[0]}; charge or "
                "discharge it first, or give other limits"
            )
        return ""

    def missed(self, point: Point) -> str:
        """Say that the device did not come to the set point."""
        return self._course.missed(point)

    def _command_for(self, set_point: float) -> Command:
        if self._course.quantity is Quantity.VOLTAGE:
            return Command(Mode.CV, set_point)
        # Without any current for certain: a device may not take 0 A for a set point.
        return OFF if set_point == 0 else Command(Mode.CC, set_point)

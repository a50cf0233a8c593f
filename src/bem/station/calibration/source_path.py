"""A source that steps the voltage while the device that is checked is off and only measures."""

from bem.domain.calibration.course import Point, Quantity
from bem.domain.calibration.steps import Steps
from bem.domain.limits import trip_limits
from bem.station.calibration.path import Abandoned
from bem_drivers.base import OFF, Command, Measured, Mode, PowerDevice, Protection, Reading

EMPTY_V = 0.3
"""Terminals without a battery are below that once the source is off; no cell is."""
SOURCE_FLOOR_V = 0.05
SOURCE_SHARE = 0.005
"""A source comes to within that of its set point, or of this share of its rated voltage."""
_NO_SUPPLY = ("voltage", "unspecified")
"""A device that is off may be in error over the very voltages that it is to measure, and one that
leaves such an error just when it is asked for has no name for it."""


class SourcePath:
    """Has ``source``, open and off, take ``steps`` at the terminals of ``device``.

    The device is verified off before each step, and found off in each reading.
    """

    def __init__(self, source: PowerDevice, device: PowerDevice, steps: Steps) -> None:
        self._source = source
        self._device = device
        self._steps = steps
        self._command = OFF
        self._slack = max(SOURCE_FLOOR_V, SOURCE_SHARE * source.ratings.voltage_max)
        self._most_current = trip_limits(steps.limits).current_max or 0.0
        self._given: Reading | None = None

    def protect(self, silence_s: float) -> Protection:
        """Have the source hold the highest voltage, a small current and none the other way.

        Raises:
            Abandoned: it would sink, from whatever is connected by mistake, or hold less tight
                bounds than it was told. DeviceError: it does not take them.
        """
        wanted = Protection(
            voltage_min=max(self._source.ratings.voltage_min, 0.0),
            voltage_max=self._steps.span,
            current_min=0.0,
            current_max=self._steps.limits.current_max or 0.0,
            silence_s=silence_s,
        )
        held = self._source.protect(wanted)
        if held.current_min < 0:
            raise Abandoned(
                f"the source would sink up to {-held.current_min:g} A; take one that cannot, or "
                "whose sink current can be set to 0 A"
            )
        too_high = held.voltage_max > wanted.voltage_max + self._slack
        if too_high or held.current_max > self._most_current:
            raise Abandoned(
                f"the source holds {held.voltage_max:g} V and {held.current_max:g} A where it was "
                f"told {wanted.voltage_max:g} V and {wanted.current_max:g} A; take one that holds "
                "its limits"
            )
        self._source.keep_alive()
        return held

    def set(self, set_point: float) -> None:
        """Verify that the device is off, then have the source regulate."""
        self._source.keep_alive()
        self._device.make_safe()
        self._command = Command(Mode.CV, set_point)
        self._source.apply(self._command)

    def rest(self) -> None:
        """Switch the source off."""
        self._command = OFF
        self._source.make_safe()

    def read(self) -> Reading:
        """Feed the source's watchdog and read both; gives the reading of the device."""
        self._source.keep_alive()
        reading = self._device.read()
        self._given = self._source.read()
        return reading

    def judge(self, reading: Reading, reference: Measured | None) -> None:
        """Look for a device that is not off, a source that fails, and too much of anything.

        What the device itself reads of the voltage proves nothing: that is what is checked.

        Raises:
            Abandoned: one of them.
        """
        if reading.active is not None and reading.active.mode is not Mode.OFF:
            raise Abandoned("the device under check is on by itself; it must be off")
        faults = [one for one in reading.faults if not one.endswith(_NO_SUPPLY)]
        if faults:
            raise Abandoned(f"the device reports: {', '.join(faults)}")
        given = self._given
        if given is None:
            return
        if given.faults:
            raise Abandoned(f"the source reports: {', '.join(given.faults)}")
        if given.active is not None and (given.active.mode is Mode.OFF) != (self._command is OFF):
            state = "off" if given.active.mode is Mode.OFF else "on"
            raise Abandoned(f"the source switched itself {state}")
        voltage, current = given.values["voltage"].value, given.values["current"].value
        if not abs(current) <= self._most_current:
            raise Abandoned(
                f"a limit was passed: the source gives {current:.4g} A, more than the "
                f"{self._steps.limits.current_max:g} A that it may"
            )
        if not voltage <= self._steps.highest + self._slack:
            raise Abandoned(f"a limit was passed: the source gives {voltage:.4g} V")
        if reference is not None and not reference.value <= self._steps.highest:
            raise Abandoned(
                f"a limit was passed: the reference reads {reference.value:.4g} V, above "
                f"{self._steps.highest:.4g} V"
            )

    def unready(self, reading: Reading, reference: Measured) -> str:
        """Say that there is a voltage although the source is off, or none at the high side."""
        there = {
            "the reference": reference.value,
            "the device": reading.values[self._steps.quantity].value,
        }
        if self._steps.quantity is Quantity.SUPPLY_VOLTAGE:
            # From a cell at the low side a current would flow through the converter's diodes.
            there["the low side of the device"] = reading.values["voltage"].value
        for who, voltage in there.items():
            if not abs(voltage) < EMPTY_V:
                return (
                    f"{who} reads {voltage:.4g} V while the source is off: disconnect the battery "
                    "and whatever else gives a voltage there"
                )
        supply = reading.values.get(Quantity.SUPPLY_VOLTAGE)
        if self._steps.quantity is Quantity.SUPPLY_VOLTAGE or supply is None:
            return ""
        # Else the converter's diodes would lead the source's current there.
        if not supply.value >= self._steps.span:
            return (
                f"the high side of the device reads {supply.value:.4g} V, less than the "
                f"{self._steps.span:g} V that the low side will get: supply it"
            )
        return ""

    def missed(self, point: Point) -> str:
        """Make sure that the source holds the set point.

        Raises:
            Abandoned: it does not, so that something draws its current.
        """
        given = self._given
        if given is not None:
            voltage, current = given.values["voltage"].value, given.values["current"].value
            if not abs(voltage - point.set_point) <= self._slack:
                raise Abandoned(
                    f"the source was set to {point.set_point:.4g} V and comes to {voltage:.4g} V "
                    f"at {current:.3g} A: disconnect what draws or gives current there, or let it "
                    "give more (--source-current)"
                )
        return ""

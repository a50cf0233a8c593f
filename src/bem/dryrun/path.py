"""The power path of a dry run: makes the battery model draw what a set point asks for."""

from bem.domain.limits import Limits
from bem.domain.program import REST, Mode, Setpoint
from bem_drivers.model import BatteryModel


class PowerPath:
    """Regulates without error and without noise, within the operating limits of the program.

    As a converter's outer loops do, it saturates at the limits of current and power.
    """

    def __init__(self, battery: BatteryModel, operating: Limits) -> None:
        self.battery = battery
        self.setpoint = REST
        self._lowest = operating.current_min
        self._highest = operating.current_max
        self._power_lowest = operating.power_min
        self._power_highest = operating.power_max

    def switch(self, setpoint: Setpoint) -> None:
        """Obey another set point, with its current from now on."""
        self.setpoint = setpoint
        battery, value = self.battery, setpoint.value
        match setpoint.mode:
            case Mode.REST:
                current = 0.0
            case Mode.CC:
                current = value
            case Mode.CV:
                current = self._saturated(battery.current_for_voltage(value))
            case Mode.CP:
                current = self._saturated(battery.current_for_power(value))
            case Mode.CR:
                current = self._saturated(battery.current_for_resistance(value))
        battery.step(current, 0.0)

    def flow(self, dt_s: float) -> None:
        """Let ``dt_s`` (s, above 0) pass: the current changes evenly to what is right then."""
        battery, value = self.battery, self.setpoint.value
        match self.setpoint.mode:
            case Mode.REST:
                current = 0.0
            case Mode.CC:
                current = value
            case Mode.CV:
                current = self._saturated(battery.ramp_for_voltage(value, dt_s))
            case Mode.CP:
                current = self._saturated(battery.ramp_for_power(value, dt_s))
            case Mode.CR:
                current = self._saturated(battery.ramp_for_resistance(value, dt_s))
        battery.ramp(current, dt_s)

    def _saturated(self, current: float) -> float:
        if self._power_highest is not None and current > 0:
            current = min(current, self.battery.current_for_power(self._power_highest))
        if self._power_lowest is not None and current < 0:
            current = max(current, self.battery.current_for_power(self._power_lowest))
        if self._highest is not None and current > self._highest:
            return self._highest
        if self._lowest is not None and current < self._lowest:
            return self._lowest
        return current

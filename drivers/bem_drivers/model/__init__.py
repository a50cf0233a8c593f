"""A battery to calculate with: open-circuit curve, resistances, one time constant, warmth."""

from bem_drivers.model.battery import BatteryModel
from bem_drivers.model.settings import BatteryModelSettings, Chemistry

__all__ = ["BatteryModel", "BatteryModelSettings", "Chemistry"]

"""What a power path makes a battery draw, so that every simulated device regulates alike."""

from bem_drivers.base import Command, Mode
from bem_drivers.model.battery import BatteryModel

MOST_SUBSTEPS = 200
FINEST_SUBSTEP_S = 0.5


def regulated_current(
    battery: BatteryModel, command: Command, dt_s: float, lowest_a: float, highest_a: float
) -> float:
    """Get the current (A) with which a device obeys ``command`` for the next ``dt_s`` (s).

    It stays within ``lowest_a``..``highest_a``, as a converter's outer loops saturate there.
    """
    if command.mode is Mode.OFF:
        return 0.0
    if command.mode is Mode.CC:
        wanted = command.setpoint
    elif command.mode is Mode.CV:
        wanted = battery.current_for_voltage(command.setpoint, dt_s)
    else:
        wanted = battery.current_for_power(command.setpoint, dt_s)
    return min(max(wanted, lowest_a), highest_a)


def substeps(dt_s: float) -> tuple[int, float]:
    """Split ``dt_s`` (s) into equal parts: (count, length in s).

    Parts are at most half a second as long as that takes no more than ``MOST_SUBSTEPS``; beyond
    it they grow, so that hours of model time in one call cost no more than a minute of it.
    """
    count = min(max(int(dt_s / FINEST_SUBSTEP_S), 1), MOST_SUBSTEPS)
    return count, dt_s / count

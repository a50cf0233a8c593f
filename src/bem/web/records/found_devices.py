"""What a found device makes of a station's definition: its power path, or one more meter."""

import re
from collections.abc import Mapping
from typing import Any

from bem.lab.models import Device

_LONGEST_NAME = 64
_LONGEST_METER_NAME = 28
"""Room is left for a number."""


def station_with(device: Device) -> dict[str, Any]:
    """Get what is known of a station that is to have a found device."""
    if device.power is False:
        return with_meter({}, device)
    return {
        "name": str(device)[:_LONGEST_NAME],
        "power": {"driver": device.driver, "settings": device.settings},
    }


def with_meter(definition: Mapping[str, Any], device: Device) -> dict[str, Any]:
    """Add a found device to a definition as a meter; named after its driver, as nobody else is."""
    meters = [*(definition.get("meters") or ())]
    taken = {str(one.get("name")) for one in meters}
    word = re.sub(r"[^a-z0-9_]", "_", device.driver).lstrip("0123456789_")
    stem = word[:_LONGEST_METER_NAME] or "meter"
    names = (stem, *(f"{stem}_{number}" for number in range(2, len(taken) + 3)))
    name = next(one for one in names if one not in taken)
    meter = {"name": name, "driver": device.driver, "settings": device.settings}
    return {**definition, "meters": [*meters, meter]}

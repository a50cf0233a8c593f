"""Every driver tells whether its devices have a power path before there is one, and truly."""

from typing import Any

import pytest

from bem_drivers.base import PowerDevice
from bem_drivers.registry import driver, driver_names, make_device

SERIAL = {"address": {"kind": "serial", "port": "/dev/none"}}
BUS = {"bus": {"interface": "slcan", "channel": "/dev/none"}}
SETTINGS: dict[str, dict[str, Any]] = {
    "bk2831": SERIAL,
    "bms": BUS,
    "ea": SERIAL,
    "epc": BUS,
    "flow": SERIAL,
    "kel103": SERIAL,
    "source-and-load": {
        "source": {"driver": "ea", "settings": SERIAL},
        "load": {"driver": "kel103", "settings": {"address": {"kind": "serial", "port": "/dev/2"}}},
    },
    "virtual": {},
}
DESCRIBED = {"scpi-load": True, "scpi-meter": False, "scpi-source": True}
"""What they make depends on a description; which of the two they make does not."""


def test_none_is_left_out() -> None:
    assert {*SETTINGS, *DESCRIBED} == set(driver_names())


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_what_it_makes(name: str) -> None:
    made = make_device(name, SETTINGS[name])
    assert driver(name).has_power_path is isinstance(made, PowerDevice)


@pytest.mark.parametrize("name", DESCRIBED)
def test_one_that_is_described_tells_too(name: str) -> None:
    assert driver(name).has_power_path is DESCRIBED[name]

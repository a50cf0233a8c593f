"""The load and the meter on pseudo-terminals, with the machine's own clock."""

import time
from pathlib import Path

import pytest
from tests.unit.drivers.unit_on_port import served

from bem_drivers import bk2831, kel103
from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    DeviceNotFound,
    Mode,
    PowerDevice,
    Protection,
    SystemClock,
)
from bem_drivers.bk2831.simulator import Bk2831Unit, Bk2831UnitSettings
from bem_drivers.kel103.simulator import Kel103Unit, Kel103UnitSettings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation.circuit import Terminals

PROTECTION = Protection(voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0)
DISCHARGE = Command(Mode.CC, -1.0)


@pytest.fixture
def terminals() -> Terminals:
    """Get a half full cell."""
    return Terminals(BatteryModelSettings())


def make_load(link: Path) -> PowerDevice:
    settings = kel103.DRIVER.settings.model_validate(
        {"address": {"kind": "serial", "port": str(link)}, "reply_timeout_s": 2.0}
    )
    device = kel103.DRIVER.make(settings, SystemClock())
    assert isinstance(device, PowerDevice)
    return device


def test_a_load_and_a_meter_at_one_battery(terminals: Terminals, tmp_path: Path) -> None:
    load = Kel103Unit(Kel103UnitSettings(), terminals.connect("load"))
    looking = Bk2831Unit(Bk2831UnitSettings(), terminals)
    with (
        served(load, tmp_path / "load"),
        served(looking, tmp_path / "meter"),
    ):
        driver = make_load(tmp_path / "load")
        meter = bk2831.DRIVER.make(
            bk2831.DRIVER.settings.model_validate(
                {
                    "address": {"kind": "serial", "port": str(tmp_path / "meter")},
                    "quantity": "current_dc",
                    "reply_timeout_s": 2.0,
                }
            ),
            SystemClock(),
        )
        driver.open()
        meter.open()
        driver.protect(PROTECTION)
        driver.apply(DISCHARGE)
        time.sleep(0.1)
        asked_ns = time.monotonic_ns()
        reading = driver.read()
        assert reading.active == DISCHARGE
        assert asked_ns <= reading.values["current"].at_ns <= time.monotonic_ns()
        assert meter.read().values["current"].value == pytest.approx(-1.0, abs=0.001)
        driver.make_safe()
        assert driver.read().active == OFF
        meter.close()
        driver.close()


def test_a_load_that_is_pulled_out_and_put_back(terminals: Terminals, tmp_path: Path) -> None:
    unit = Kel103Unit(Kel103UnitSettings(), terminals.connect("load"))
    driver = make_load(tmp_path / "load")
    with served(unit, tmp_path / "load") as port:
        driver.open()
        driver.protect(PROTECTION)
        driver.apply(DISCHARGE)
        port.close()
        with pytest.raises(CommunicationLost):
            driver.read()
        driver.close()
        with pytest.raises(DeviceNotFound, match="load"):
            driver.open()
    left_on = unit.input_on
    assert left_on
    with served(unit, tmp_path / "load"):
        driver.open()
        assert not unit.input_on
        assert driver.read().active == OFF
        driver.close()

"""The TH2 driver on its simulator: what every device does alike, and what only this one does."""

import pytest
from bem_thermo import DRIVER
from bem_thermo.driver import ThermoDriver
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance import DeviceConformance, Maker, Said, WireConformance
from tests.unit.drivers.makers import LINE, maker_of, spoilt_lines

from bem_drivers.base import Identity
from bem_drivers.model import BatteryModelSettings

MAKER = maker_of(
    "thermo",
    DRIVER,
    ThermoDriver,
    settings={"address": LINE},
    units=({"serial_number": "0042"}, {"serial_number": "0043"}),
    batteries=(BatteryModelSettings(ambient_degc=25), BatteryModelSettings(ambient_degc=40)),
    identities=(Identity("Thermo", "TH2", "0042"), Identity("Thermo", "TH2", "0043")),
    truth=lambda bench: {"temperature_1": bench.battery.temperature, "temperature_2": 21.0},
    spoilt=spoilt_lines(reply_timeout_s=0.5),
    stranger={"serial_number": "9999"},
    said=(
        Said(("-1.5e+01, +21.0",), values={"temperature_1": -15.0, "temperature_2": 21.0}),
        Said(("nan,21.0",)),
        Said(("1e3,21.0",)),
    ),
)


class TestThermo(DeviceConformance):
    @pytest.fixture
    def maker(self) -> Maker:
        return MAKER


class TestThermoOnAWire(WireConformance):
    @pytest.fixture
    def maker(self) -> Maker:
        return MAKER


def test_a_probe_that_is_not_connected_has_no_value() -> None:
    bench = MAKER.opened(ManualClock())
    bench.order("probe 2 open")
    reading = bench.device.read()
    assert set(reading.values) == {"temperature_1"}
    assert reading.faults == ("probe_2_open",)
    bench.order("probe 2 off")
    assert bench.device.read().faults == ()

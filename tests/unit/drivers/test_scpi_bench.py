"""Described instruments as a bench puts them up: at one battery model, told by their drivers."""

from collections.abc import Mapping

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.scpi_bench import ADDRESS

from bem_drivers.base import Command, Mode, Protection
from bem_drivers.model import BatteryModelSettings
from bem_drivers.pair import PairSettings
from bem_drivers.pair.driver import PairDevice
from bem_drivers.scpi import LOAD, METER, SOURCE
from bem_drivers.scpi.meter import ScpiMeter
from bem_drivers.scpi.power import ScpiPower
from bem_drivers.scpi.settings import LoadSettings, MeterSettings, SourceSettings
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.spec import Place

SPECS = {"source": SOURCE, "load": LOAD, "meter": METER}
VIRTUAL = {"driver": "virtual"}


class Laboratory:
    """A source, a load and a meter at a cell of 2 Ah that is half full."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.terminals = Terminals(BatteryModelSettings(capacity_ah=2.0, soc=0.5))
        self.ledger: list[tuple[str, Mapping[str, object]]] = []
        self.lines = {name: self._line(name) for name in SPECS}
        source = SourceSettings(address=ADDRESS, instrument="scpi-99-source")
        load = LoadSettings(address=ADDRESS, instrument="scpi-99-load")
        meter = MeterSettings(address=ADDRESS, instrument="scpi-99-meter")
        self.path = PairDevice(
            PairSettings.model_validate({"source": VIRTUAL, "load": VIRTUAL}),
            clock,
            ScpiPower(source, clock, self.lines["source"]),
            ScpiPower(load, clock, self.lines["load"]),
        )
        self.meter = ScpiMeter(meter, clock, self.lines["meter"])

    def _line(self, name: str) -> LoopbackLine:
        spec = SPECS[name].simulate
        assert spec is not None
        simulator = spec()
        settings = simulator.settings.model_validate({"instrument": f"scpi-99-{name}"})
        place = Place(
            name,
            (self.terminals,),
            self.clock.now_ns,
            lambda _at_ns, kind, facts: self.ledger.append((f"{name} {kind}", facts)),
        )
        return LoopbackLine(Faulty(simulator.make(settings, place)), self.clock, name)

    def wait(self, seconds: float) -> None:
        """Let a station's loop run, slowly."""
        for _ in range(round(seconds / 20)):
            self.clock.now_ns += 20_000_000_000
            self.path.read()


@pytest.fixture
def laboratory(clock: ManualClock) -> Laboratory:
    """Get it opened and protected."""
    made = Laboratory(clock)
    made.path.open()
    made.meter.open()
    made.path.protect(Protection(voltage_min=2.5, voltage_max=4.25, current_min=-5, current_max=5))
    return made


def test_a_cycle_puts_in_and_takes_out_what_was_commanded(laboratory: Laboratory) -> None:
    path, battery = laboratory.path, laboratory.terminals.battery
    path.apply(Command(Mode.CC, 2.0))
    laboratory.wait(360)
    path.apply(Command(Mode.CC, -1.0))
    laboratory.wait(360)
    path.make_safe()
    assert battery.charge_in == pytest.approx(0.2, rel=0.001)
    assert battery.charge_out == pytest.approx(0.1, rel=0.001)


def test_a_supply_goes_from_its_current_to_its_voltage_by_itself(laboratory: Laboratory) -> None:
    laboratory.path.apply(Command(Mode.CC, 4.0))
    laboratory.wait(1500)
    reading = laboratory.path.read()
    assert reading.values["voltage"].value == pytest.approx(4.2, abs=0.005)
    assert 0 < reading.values["current"].value < 4.0


def test_a_meter_sees_the_same_battery(laboratory: Laboratory) -> None:
    laboratory.path.apply(Command(Mode.CP, -6.0))
    path, meter = laboratory.path.read(), laboratory.meter.read()
    voltage = meter.values["meter_voltage"].value
    assert voltage == pytest.approx(path.values["voltage"].value, abs=0.001)
    assert voltage * path.values["current"].value == pytest.approx(-6.0, rel=0.001)


def test_the_ledger_tells_what_was_switched_and_answered(laboratory: Laboratory) -> None:
    laboratory.path.apply(Command(Mode.CC, 1.0))
    laboratory.path.read()
    laboratory.path.make_safe()
    switched = [facts for kind, facts in laboratory.ledger if kind == "source output"]
    assert switched == [{"on": True, "reason": "command"}, {"on": False, "reason": "command"}]
    assert any(kind == "source answer" and "current" in facts for kind, facts in laboratory.ledger)

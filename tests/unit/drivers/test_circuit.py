"""Several instruments at one battery: what each carries, and that no charge is lost."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bem_drivers.base import OFF, Command, Mode
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.model.regulator import regulated_current, substeps
from bem_drivers.simulation.circuit import Lead, Terminals

CELL = BatteryModelSettings(capacity_ah=2.5, soc=0.5)
SECOND = 1_000_000_000


def terminals(speed: float = 1.0) -> Terminals:
    made = Terminals(CELL, speed)
    made.advance(0)
    return made


def test_without_a_lead_the_battery_rests() -> None:
    poles = terminals()
    poles.advance(3600 * SECOND)
    assert poles.voltage == pytest.approx(3.7)
    assert (poles.current, poles.temperature, poles.lived_s) == (0.0, 25.0, 3600.0)


def test_what_is_read_next_shows_what_was_asked() -> None:
    poles = terminals()
    rest = poles.voltage
    source = poles.connect("source")
    source.regulate(Command(Mode.CC, 2.0), 0.0, 5.0)
    assert source.current == poles.current == 2.0
    assert poles.voltage > rest
    source.open()
    assert source.current == poles.current == 0.0
    assert poles.voltage == pytest.approx(rest)


@pytest.mark.parametrize(
    ("command", "low", "high"),
    [
        (Command(Mode.CC, 2.0), -5.0, 5.0),
        (Command(Mode.CC, 9.0), -5.0, 5.0),
        (Command(Mode.CV, 4.1), -5.0, 5.0),
        (Command(Mode.CV, 3.0), -5.0, 5.0),
        (Command(Mode.CP, 6.0), -5.0, 5.0),
        (Command(Mode.CP, -6.0), -5.0, 5.0),
    ],
)
def test_one_lead_alone_is_the_regulator_of_every_simulated_device(
    command: Command, low: float, high: float
) -> None:
    alone = BatteryModel(CELL)
    poles = terminals()
    poles.connect("both ways").regulate(command, low, high)
    for second in range(1, 601):
        poles.advance(second * SECOND)
        count, dt_s = substeps(1.0)
        for _ in range(count):
            alone.step(regulated_current(alone, command, dt_s, low, high), dt_s)
    assert poles.voltage == alone.voltage
    assert poles.battery.state_of_charge == alone.state_of_charge


def test_a_source_charges_what_a_load_at_the_same_battery_leaves() -> None:
    poles = terminals()
    source, load = poles.connect("source"), poles.connect("load")
    source.regulate(Command(Mode.CC, 3.0), 0.0, 10.0)
    load.regulate(Command(Mode.CC, -1.0), -10.0, 0.0)
    poles.advance(360 * SECOND)
    assert (source.current, load.current, poles.current) == (3.0, -1.0, 2.0)
    assert poles.battery.state_of_charge == pytest.approx(0.5 + 0.2 / 2.5)


def test_a_source_does_not_sink_and_a_load_does_not_feed() -> None:
    poles = terminals()
    source, load = poles.connect("source"), poles.connect("load")
    source.regulate(Command(Mode.CV, 3.0), 0.0, 10.0)
    load.regulate(Command(Mode.CV, 4.0), -10.0, 0.0)
    poles.advance(60 * SECOND)
    assert source.current == load.current == 0.0


def test_a_constant_voltage_holds_whatever_a_load_takes() -> None:
    poles = terminals()
    source, load = poles.connect("source"), poles.connect("load")
    source.regulate(Command(Mode.CV, 3.8), 0.0, 10.0)
    before = source.current
    load.regulate(Command(Mode.CC, -2.0), -10.0, 0.0)
    assert source.current == pytest.approx(before + 2.0)
    assert poles.voltage == pytest.approx(3.8)


def test_of_two_voltages_that_contradict_each_other_the_stronger_wins() -> None:
    poles = terminals()
    source, load = poles.connect("source"), poles.connect("load")
    source.regulate(Command(Mode.CV, 3.9), 0.0, 3.0)
    load.regulate(Command(Mode.CV, 3.6), -20.0, 0.0)
    assert source.current == pytest.approx(3.0)
    assert poles.voltage == pytest.approx(3.6)


def test_sources_of_the_same_voltage_share_the_current() -> None:
    poles = terminals()
    small, large = poles.connect("small"), poles.connect("large")
    small.regulate(Command(Mode.CV, 3.75), 0.0, 2.0)
    large.regulate(Command(Mode.CV, 3.75), 0.0, 6.0)
    assert poles.voltage == pytest.approx(3.75)
    assert large.current == pytest.approx(3 * small.current)


def test_a_power_is_that_of_its_own_lead() -> None:
    poles = terminals()
    source, load = poles.connect("source"), poles.connect("load")
    source.regulate(Command(Mode.CV, 3.8), 0.0, 10.0)
    load.regulate(Command(Mode.CP, -7.6), -10.0, 0.0)
    assert load.current * poles.voltage == pytest.approx(-7.6)
    assert poles.voltage == pytest.approx(3.8)


def test_time_lapse_lets_the_battery_live_faster() -> None:
    poles = terminals(speed=3600.0)
    poles.connect("source").regulate(Command(Mode.CC, 0.5), 0.0, 1.0)
    poles.advance(SECOND)
    assert poles.lived_s == pytest.approx(3600.0)
    assert poles.battery.state_of_charge == pytest.approx(0.7)


def test_whoever_looks_does_not_change_what_flows() -> None:
    watched, unwatched = terminals(), terminals()
    for poles in (watched, unwatched):
        poles.connect("load").regulate(Command(Mode.CC, -1.0), -2.0, 0.0)
    for instant in range(0, 100 * SECOND, SECOND // 7):
        watched.advance(instant)
        watched.advance(instant - SECOND)
    watched.advance(100 * SECOND)
    unwatched.advance(100 * SECOND)
    assert watched.voltage == pytest.approx(unwatched.voltage, rel=1e-12)
    assert watched.battery.charge_out == pytest.approx(unwatched.battery.charge_out, rel=1e-12)


def test_an_instrument_with_a_clock_of_its_own_does_not_live_time_twice() -> None:
    poles = terminals()
    unit, load = poles.connect("unit"), poles.connect("load")
    load.regulate(Command(Mode.CC, -1.0), -2.0, 0.0)
    unit.ask(Command(Mode.CC, 1.5), -2.0, 2.0)
    for slot in range(1, 1001):
        unit.flow(0.01)
        if slot % 3 == 0:
            poles.advance(slot * SECOND // 100)
    poles.advance(10 * SECOND)
    assert poles.lived_s == pytest.approx(10.0)
    assert unit.charge_in * 3600 == pytest.approx(15.0)
    assert poles.battery.charge_in * 3600 == pytest.approx(5.0)


def test_a_lead_that_is_taken_off_carries_nothing_and_its_name_is_free() -> None:
    poles = terminals()
    load = poles.connect("load")
    load.regulate(Command(Mode.CC, -1.0), -2.0, 0.0)
    with pytest.raises(ValueError, match="'load' is at these terminals already"):
        poles.connect("load")
    poles.disconnect("load")
    poles.disconnect("load")
    assert poles.current == 0.0
    poles.connect("load")


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (-math.inf, 0.0), (0.0, math.nan)])
def test_bounds_that_bound_nothing_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"lead 'x': .* are no bounds"):
        terminals().connect("x").regulate(Command(Mode.CC, 0.0), *bounds)


COMMANDS = st.one_of(
    st.just(OFF),
    st.builds(Command, st.just(Mode.CC), st.floats(-20, 20)),
    st.builds(Command, st.just(Mode.CV), st.floats(0, 6)),
    st.builds(Command, st.just(Mode.CP), st.floats(-60, 60)),
)
WISHES = st.lists(st.tuples(COMMANDS, st.floats(-10, 0), st.floats(0, 10)), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(WISHES, st.floats(0.1, 30))
def test_whatever_is_asked_bounds_hold_and_no_charge_is_lost(
    wishes: list[tuple[Command, float, float]], seconds: float
) -> None:
    poles = terminals()
    leads: list[Lead] = []
    for number, (command, low, high) in enumerate(wishes):
        lead = poles.connect(str(number))
        lead.regulate(command, low, high)
        leads.append(lead)
    poles.advance(round(seconds * SECOND))
    for lead, (command, low, high) in zip(leads, wishes, strict=True):
        assert low <= lead.current <= high
        assert command is not OFF or lead.current == 0.0
    assert poles.current == pytest.approx(math.fsum(lead.current for lead in leads), abs=1e-12)
    of_leads = math.fsum(lead.charge_in - lead.charge_out for lead in leads)
    of_battery = poles.battery.charge_in - poles.battery.charge_out
    stored = (poles.battery.state_of_charge - CELL.soc) * CELL.capacity_ah
    assert of_leads == pytest.approx(of_battery, abs=1e-12)
    assert stored == pytest.approx(of_battery, abs=1e-9)


@pytest.fixture
def bare() -> Terminals:
    """Get terminals without a battery."""
    poles = Terminals(CELL, connected=False)
    poles.advance(0)
    return poles


def test_without_a_battery_there_is_the_voltage_of_the_source(bare: Terminals) -> None:
    assert bare.voltage == 0.0
    source = bare.connect("source")
    for number, volts in enumerate((0.5, 5.0, 14.0), 1):
        source.regulate(Command(Mode.CV, volts), 0.0, 0.2)
        assert 0.0 < source.current <= 0.2
        bare.advance(number * SECOND)
        assert bare.voltage == pytest.approx(volts)
        # Hardly anything flows once all is charged.
        bare.advance(number * SECOND + SECOND // 2)
        assert 0.0 <= source.current < 0.02


def test_without_a_battery_nothing_is_left_soon_after_the_source_went_off(bare: Terminals) -> None:
    source = bare.connect("source")
    source.regulate(Command(Mode.CV, 14.0), 0.0, 0.2)
    bare.advance(2 * SECOND)
    source.open()
    bare.advance(2 * SECOND + SECOND // 10)
    assert 10.0 < bare.voltage < 14.0
    bare.advance(7 * SECOND)
    assert bare.voltage < 0.1
    assert (bare.current, bare.battery.charge_in, bare.battery.energy_in) == (0.0, 0.0, 0.0)


def test_without_a_battery_a_load_finds_nothing(bare: Terminals) -> None:
    bare.connect("load").regulate(Command(Mode.CC, -1.0), -5.0, 0.0)
    bare.advance(SECOND)
    assert bare.voltage == 0.0

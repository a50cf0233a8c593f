"""Laws that a battery model must keep, whatever is done to it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bem_drivers.model import BatteryModel, BatteryModelSettings, Chemistry

chemistries = st.sampled_from(list(Chemistry))
currents = st.floats(-5, 5)
times = st.floats(0.001, 7200)


def battery(**settings: object) -> BatteryModel:
    return BatteryModel(BatteryModelSettings.model_validate(settings))


@given(chemistries, st.lists(st.tuples(currents, times), max_size=8))
def test_charge_is_conserved(chemistry: Chemistry, steps: list[tuple[float, float]]) -> None:
    model = battery(chemistry=chemistry, capacity_ah=3.0, soc=0.4)
    for current, seconds in steps:
        model.step(current, seconds)
    ampere_hours = sum(current * seconds for current, seconds in steps) / 3600
    assert model.state_of_charge == pytest.approx(0.4 + ampere_hours / 3.0, abs=1e-9)


@given(chemistries, st.floats(0, 1), st.floats(0, 1), st.integers(1, 24))
def test_rest_voltage_rises_with_charge(
    chemistry: Chemistry, one: float, other: float, cells: int
) -> None:
    low, high = sorted((one, other))
    if high - low < 1e-6:
        return
    empty = battery(chemistry=chemistry, soc=low, cells=cells)
    full = battery(chemistry=chemistry, soc=high, cells=cells)
    assert empty.open_circuit_voltage < full.open_circuit_voltage


@given(currents, currents, times, st.integers(2, 50))
def test_splitting_a_step_changes_nothing(
    before: float, current: float, seconds: float, parts: int
) -> None:
    whole, split = battery(), battery()
    for model in (whole, split):
        model.step(before, 20.0)
    whole.step(current, seconds)
    for _ in range(parts):
        split.step(current, seconds / parts)
    assert split.state_of_charge == pytest.approx(whole.state_of_charge, abs=1e-9)
    assert split.voltage == pytest.approx(whole.voltage, abs=1e-6)
    assert split.temperature == pytest.approx(whole.temperature, abs=1e-6)


@given(chemistries, st.floats(0.1, 0.9), currents, st.floats(2.0, 4.5))
def test_the_current_for_a_voltage_gives_that_voltage(
    chemistry: Chemistry, soc: float, before: float, voltage: float
) -> None:
    model = battery(chemistry=chemistry, soc=soc)
    model.step(before, 5.0)
    model.step(model.current_for_voltage(voltage), 0.0)
    assert model.voltage == pytest.approx(voltage, abs=1e-9)


@given(chemistries, st.floats(0.1, 0.9), st.floats(-20, 40))
def test_the_current_for_a_power_gives_that_power(
    chemistry: Chemistry, soc: float, power: float
) -> None:
    model = battery(chemistry=chemistry, soc=soc)
    model.step(model.current_for_power(power), 0.0)
    assert model.voltage * model.current == pytest.approx(power, abs=1e-6)


def test_a_power_that_the_battery_cannot_give_takes_the_most_it_can() -> None:
    model = battery()
    most = model.open_circuit_voltage**2 / (4 * 0.02)
    model.step(model.current_for_power(-1e6), 0.0)
    assert model.voltage * model.current == pytest.approx(-most)


def test_looking_ahead_a_long_step_does_not_overshoot_its_voltage() -> None:
    model = battery(soc=0.905)
    model.step(model.current_for_voltage(4.12, 600.0), 600.0)
    assert model.voltage == pytest.approx(4.12, abs=1e-6)


def test_energy_goes_into_storage_and_warmth_alone() -> None:
    """With no cooling the temperature tells the losses; the curve tells what is stored."""
    model = battery(
        soc=0.41, heat_capacity_j_per_k=100.0, thermal_resistance_k_per_w=1e9, capacity_ah=2.5
    )
    seconds, current, energy = 0.05, 2.5, 0.0
    for _ in range(2000):
        before = model.voltage
        model.step(current, seconds)
        energy += (before + model.voltage) / 2 * current * seconds
    charge = current * seconds * 2000
    stored = charge * (3.65 + 5 * (0.01 + charge / 9000 / 2) / 10)
    in_capacitor = 0.5 * (30.0 / 0.012) * (0.012 * current * (1 - math.exp(-100 / 30))) ** 2
    warmth = (model.temperature - 25.0) * 100.0
    assert energy == pytest.approx(stored + in_capacitor + warmth, rel=1e-3)


def test_it_cools_to_the_ambient_temperature() -> None:
    model = battery(ambient_degc=10.0)
    model.step(20.0, 600.0)
    assert model.temperature > 15.0
    model.step(0.0, 1e5)
    assert model.temperature == pytest.approx(10.0, abs=1e-6)


def test_agreeing_time_constants_do_not_divide_by_zero() -> None:
    model = battery(polarisation_s=30.0, heat_capacity_j_per_k=30.0, thermal_resistance_k_per_w=1.0)
    model.step(5.0, 30.0)
    assert math.isfinite(model.temperature)
    assert model.temperature > 25.0


def test_beyond_full_the_voltage_climbs_until_a_limit_ends_it() -> None:
    model = battery(soc=1.0)
    model.step(2.5, 180.0)
    assert model.voltage > 5.1


@given(currents, currents, currents, times, st.integers(2, 50))
def test_splitting_a_ramp_changes_neither_voltage_nor_charge(
    before: float, first: float, last: float, seconds: float, parts: int
) -> None:
    whole, split = battery(), battery()
    for model in (whole, split):
        model.step(before, 20.0)
        model.step(first, 0.0)
    whole.ramp(last, seconds)
    for part in range(1, parts + 1):
        split.ramp(first + (last - first) * part / parts, seconds / parts)
    assert split.state_of_charge == pytest.approx(whole.state_of_charge, abs=1e-9)
    assert split.voltage == pytest.approx(whole.voltage, abs=1e-6)


@given(chemistries, st.floats(0.2, 0.8), currents, st.floats(0.1, 60))
def test_a_ramp_ends_at_the_voltage_the_power_or_the_load_asked_for(
    chemistry: Chemistry, soc: float, before: float, seconds: float
) -> None:
    model = battery(chemistry=chemistry, soc=soc)
    model.step(before, 5.0)
    started = model.snapshot()
    # Not every voltage is reached by a straight ramp across a bend of the curve: one close by is.
    wanted = model.voltage + 0.01
    model.ramp(model.ramp_for_voltage(wanted, seconds), seconds)
    assert model.voltage == pytest.approx(wanted, abs=2e-3)
    model.restore(started)
    model.ramp(model.ramp_for_power(-5.0, seconds), seconds)
    assert model.voltage * model.current == pytest.approx(-5.0, abs=0.02)
    model.restore(started)
    model.ramp(model.ramp_for_resistance(4.0, seconds), seconds)
    assert -model.voltage / model.current == pytest.approx(4.0, abs=0.02)


def test_moving_the_capacity_in_and_out_makes_the_battery_stiffer() -> None:
    model = battery(capacity_ah=2.0, soc=0.0, resistance_growth_per_cycle=0.5)
    new = model.resistance
    model.step(2.0, 3600.0)
    model.step(-2.0, 3600.0)
    assert model.resistance == pytest.approx(1.5 * new)
    polarised = 0.6 * 1.25  # R1 is 0.6 R0; the last step lived with what was there before it
    wanted = -2.0 * (1.5 + polarised) * new
    assert model.voltage - model.open_circuit_voltage == pytest.approx(wanted)


def test_going_back_to_an_earlier_instant_forgets_what_came_after() -> None:
    model = battery(fade_per_cycle=0.1, resistance_growth_per_cycle=0.2)
    model.step(1.0, 100.0)
    started, voltage, capacity = model.snapshot(), model.voltage, model.capacity
    model.ramp(-3.0, 1000.0)
    model.restore(started)
    assert (model.voltage, model.capacity, model.current) == (voltage, capacity, 1.0)


@given(chemistries, st.floats(0.9, 1.05), st.floats(0.95, 1.1), st.integers(1, 12))
def test_empty_and_full_are_where_the_battery_says(
    chemistry: Chemistry, low: float, high: float, cells: int
) -> None:
    ends = (
        battery(chemistry=chemistry, cells=cells, soc=0),
        battery(chemistry=chemistry, cells=cells, soc=1),
    )
    window = {
        "voltage_empty": ends[0].open_circuit_voltage * low,
        "voltage_full": ends[1].open_circuit_voltage * high,
    }
    for soc, name in ((0.0, "voltage_empty"), (1.0, "voltage_full")):
        model = battery(chemistry=chemistry, cells=cells, soc=soc, **window)
        assert model.open_circuit_voltage == pytest.approx(window[name])


def test_a_cut_window_keeps_the_plateau_where_it_is() -> None:
    whole, cut = battery(soc=0.5), battery(soc=0.5, voltage_empty=3.0, voltage_full=4.1)
    assert cut.open_circuit_voltage == pytest.approx(whole.open_circuit_voltage, abs=0.05)


def test_a_window_beside_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="check the cells in series"):
        battery(voltage_empty=8.0, voltage_full=9.0)
    with pytest.raises(ValidationError, match="must be below"):
        battery(voltage_empty=4.0, voltage_full=3.0)


def test_moving_the_capacity_in_and_out_costs_the_share_of_it_that_fades() -> None:
    model = battery(capacity_ah=2.0, soc=0.0, fade_per_cycle=0.01)
    model.step(2.0, 3600.0)
    model.step(-2.0, 3600.0)
    assert model.capacity == pytest.approx(2.0 * 0.99)


@pytest.mark.parametrize(("current", "seconds"), [(math.nan, 1.0), (1.0, -1.0), (1.0, math.inf)])
def test_nonsense_is_refused(current: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot step"):
        battery().step(current, seconds)


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match="soc"):
        battery(soc=1.5)
    with pytest.raises(ValidationError, match="capacty"):
        battery(capacty=1.5)

"""The books of a metered battery, compared with summing up what its terminals show."""

import pytest

from bem_drivers.model import BatteryModelSettings, Chemistry
from bem_drivers.model.ledger import MeteredBattery

SETTINGS = BatteryModelSettings(
    chemistry=Chemistry.NCA, capacity_ah=3.0, soc=0.3, coulombic_efficiency=0.97
)
MOVES = ((2.0, 0.0), (2.0, 900.0), (0.4, 300.0), (0.4, 50.0), (-3.0, 120.0), (-3.0, 600.0))
"""Currents (A) and the time (s) in which each is reached."""


def test_its_books_are_what_flowed_through_its_terminals() -> None:
    booked, shown = MeteredBattery(SETTINGS), MeteredBattery(SETTINGS)
    charge = {True: 0.0, False: 0.0}
    energy = {True: 0.0, False: 0.0}
    for current, seconds in MOVES:
        parts = max(int(seconds * 20), 1)
        start = shown.current
        booked.ramp(current, seconds)
        for part in range(1, parts + 1):
            before = (shown.current, shown.current * shown.voltage)
            shown.ramp(start + (current - start) * part / parts, seconds / parts)
            after = (shown.current, shown.current * shown.voltage)
            hours = seconds / parts / 3600
            charging = before[0] + after[0] > 0
            charge[charging] += abs(before[0] + after[0]) / 2 * hours
            energy[charging] += abs(before[1] + after[1]) / 2 * hours
    assert booked.charge_in == pytest.approx(charge[True], rel=1e-6)
    assert booked.charge_out == pytest.approx(charge[False], rel=1e-6)
    assert booked.energy_in == pytest.approx(energy[True], rel=1e-5)
    assert booked.energy_out == pytest.approx(energy[False], rel=1e-5)


def test_its_books_balance_while_it_grows_stiffer() -> None:
    ageing = SETTINGS.model_copy(update={"resistance_growth_per_cycle": 0.5})
    whole, young = MeteredBattery(ageing), MeteredBattery(SETTINGS)
    for battery in (whole, young):
        battery.step(1.0, 1800.0)
    assert whole.energy_in == young.energy_in
    for battery in (whole, young):
        battery.step(1.0, 1800.0)
    assert whole.energy_in > young.energy_in


def test_many_small_amounts_are_not_lost_in_a_large_one() -> None:
    battery = MeteredBattery(SETTINGS)
    battery.step(1e6, 3600.0)
    for _ in range(1000):
        battery.step(1e-9, 3.6)
    assert battery.charge_in - 1e6 == pytest.approx(1e-9, rel=0.2)


def test_a_side_reaction_takes_its_share_of_the_charge_and_gives_no_energy_back() -> None:
    battery = MeteredBattery(SETTINGS)
    battery.step(1.0, 3600.0)
    battery.step(-0.97, 3600.0)
    assert battery.state_of_charge == pytest.approx(0.3)
    assert battery.charge_out / battery.charge_in == pytest.approx(0.97)
    assert battery.energy_out < 0.97 * battery.energy_in

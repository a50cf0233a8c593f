"""What the engine computes from readings, compared with the books of the battery itself."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from bem.domain.engine import Reading, advance, begin
from bem.domain.happenings import CycleEnded, Happening, Throughput
from bem.domain.program import Mode, Program, Setpoint
from bem.dryrun.simulation import Simulation
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.model.ledger import MeteredBattery

ALLOWED = 1e-3
CYCLE_LIFE = """
Repeat {cycles} times:
    Charge at {charge} until 4.2 V
    Hold at 4.2 V until C/20
    Rest for 10 minutes
    Discharge at {discharge} until 2.6 V
    Rest for 10 minutes
"""
AGEING = {"soc": 0.0, "coulombic_efficiency": 0.998, "fade_per_cycle": 0.0003}

Compile = Callable[[str], Program]


class Cycle(NamedTuple):
    """One cycle as the engine has it, and as it was."""

    engine: Throughput
    books: Throughput


def booked(battery: MeteredBattery) -> Throughput:
    return Throughput(
        charge_in=battery.charge_in,
        charge_out=battery.charge_out,
        energy_in=battery.energy_in,
        energy_out=battery.energy_out,
    )


class Books:
    """Closes the books of a battery with each cycle."""

    def __init__(self, battery: MeteredBattery) -> None:
        self.cycles: list[Cycle] = []
        self._battery = battery
        self._before = Throughput()

    def take(self, events: tuple[Happening, ...]) -> None:
        for event in events:
            if isinstance(event, CycleEnded):
                now = booked(self._battery)
                self.cycles.append(Cycle(event.moved, now.since(self._before)))
                self._before = now


def assert_accurate(cycles: list[Cycle]) -> None:
    for number, (engine, books) in enumerate(cycles, start=1):
        for name in Throughput.model_fields:
            assert getattr(engine, name) == pytest.approx(getattr(books, name), rel=ALLOWED), (
                f"{name} of cycle {number}"
            )
        assert engine.charge_out / engine.charge_in == pytest.approx(
            books.charge_out / books.charge_in, rel=ALLOWED
        ), f"coulombic efficiency of cycle {number}"


# About 15 s of computing, which a machine that is busy otherwise stretches.
@pytest.mark.timeout(600)
def test_a_thousand_lithium_cycles_are_what_the_battery_really_did(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    """Beside the battery of the dry run a metered one does what that one did, and nothing else."""
    settings = cell.model_copy(update=AGEING)
    program = compiled(CYCLE_LIFE.format(cycles=1000, charge="1C", discharge="1C"))
    real = MeteredBattery(settings)
    books = Books(real)
    simulation = Simulation(program, BatteryModel(settings), window_v=1.7)
    for moment in simulation.moments():
        real.step(moment.from_current, 0.0)
        real.ramp(moment.reading.current, moment.dt_us / 1e6)
        assert abs(real.voltage - moment.reading.voltage) < 1e-9
        books.take(moment.events)

    assert len(books.cycles) == 1000
    assert_accurate(books.cycles)
    first, last = books.cycles[0].engine, books.cycles[-1].engine
    assert last.charge_out / first.charge_out == pytest.approx(
        real.capacity / settings.capacity_ah, rel=0.02
    )
    assert last.charge_out / last.charge_in == pytest.approx(0.998, rel=ALLOWED)


def test_readings_every_100_ms_are_as_accurate(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    """As a station reads: the current changes between readings, and nobody says when."""
    settings = cell.model_copy(update=AGEING)
    program = compiled(CYCLE_LIFE.format(cycles=2, charge="3C", discharge="4C"))
    real = MeteredBattery(settings)
    books = Books(real)
    outcome, now_us = begin(program), 0
    while not outcome.finished:
        real.step(regulated(real, outcome.setpoint, 0.1), 0.1)
        now_us += 100_000
        reading = Reading(now_us, real.voltage, real.current)
        outcome = advance(program, outcome.state, reading)
        books.take(outcome.events)

    assert len(books.cycles) == 2
    assert_accurate(books.cycles)


def regulated(battery: BatteryModel, setpoint: Setpoint, dt_s: float) -> float:
    """What a device makes flow for the next ``dt_s``."""
    if setpoint.mode is Mode.CV:
        return battery.current_for_voltage(setpoint.value, dt_s)
    return setpoint.value

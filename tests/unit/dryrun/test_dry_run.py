"""What a dry run says, compared with how a station that reads every 100 ms would fare."""

import itertools
from collections.abc import Callable

import pytest

from bem.domain.engine import Reading, advance, begin
from bem.domain.happenings import StepEnded
from bem.domain.limits import Compare, Limit, Limited, Limits
from bem.domain.program import (
    Course,
    End,
    LoopOp,
    Mode,
    Program,
    Quantity,
    Setpoint,
    StepOp,
    Then,
)
from bem.dryrun import DryRun, dry_run
from bem_drivers.model import BatteryModel, BatteryModelSettings

Compile = Callable[[str], Program]

OPERATING = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-10, current_max=10)
FORMATION = """
Charge at 3C until 4.2 V
Hold at 4.2 V until C/10
Rest for 1 minute
Discharge at 30 W until 3.0 V
Rest for 1 minute
Charge at 4C until 1 Ah
Discharge at 4C until 2.5 V
"""


def end(quantity: Quantity, compare: str, threshold: float, then: Then = Then.NEXT) -> End:
    return End(quantity=quantity, compare=Compare(compare), threshold=threshold, then=then)


def step(
    mode: Mode,
    value: float,
    *ends: End,
    limits: tuple[Limit, ...] = (),
    course: Course | None = None,
    message: str | None = None,
) -> StepOp:
    return StepOp(
        number=1,
        title=f"{mode} {value:g}",
        setpoint=Setpoint(mode=mode, value=value),
        ends=ends,
        limits=limits,
        course=course,
        message=message,
    )


def program(*operations: StepOp | LoopOp, limits: tuple[Limit, ...] = ()) -> Program:
    numbered = [
        one.model_copy(update={"number": index}) if isinstance(one, StepOp) else one
        for index, one in enumerate(operations, start=1)
    ]
    return Program(name="test", operations=tuple(numbered), operating=OPERATING, limits=limits)


def regulated(battery: BatteryModel, setpoint: Setpoint) -> float:
    """What a device makes flow for the next 100 ms, at most 10 A."""
    value = setpoint.value
    match setpoint.mode:
        case Mode.CV:
            current = battery.current_for_voltage(value, 0.1)
        case Mode.CP:
            current = battery.current_for_power(value, 0.1)
        case Mode.CR:
            current = battery.current_for_resistance(value, 0.1)
        case _:
            current = value
    return min(max(current, -10.0), 10.0)


def at_a_station(run: Program, settings: BatteryModelSettings) -> list[StepEnded]:
    """Take a reading every 100 ms, at the set point of the reading before."""
    battery, outcome, now_us = BatteryModel(settings), begin(run), 0
    ended: list[StepEnded] = []
    while not outcome.finished:
        battery.step(regulated(battery, outcome.setpoint), 0.1)
        now_us += 100_000
        further = {"temperature_body": battery.temperature}
        reading = Reading(now_us, battery.voltage, battery.current, further)
        outcome = advance(run, outcome.state, reading)
        ended.extend(one for one in outcome.events if isinstance(one, StepEnded))
    return ended


def assert_as_at_a_station(run: Program, settings: BatteryModelSettings) -> None:
    station, expected = at_a_station(run, settings), dry_run(run, settings)
    assert [row.end for row in expected.steps] == [one.end for one in station]
    for row, one in zip(expected.steps, station, strict=True):
        assert row.duration_s == pytest.approx(one.duration_us / 1e6, rel=1e-3, abs=0.2), row.title
        for name in ("charge_in", "charge_out", "energy_in", "energy_out"):
            # A station's reading may be 100 ms of up to 10 A late.
            assert getattr(row.moved, name) == pytest.approx(
                getattr(one.moved, name), rel=1e-3, abs=2e-3
            ), f"{row.title}: {name}"


def test_each_step_ends_when_and_why_it_would_at_a_station(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    assert_as_at_a_station(compiled(FORMATION), cell.model_copy(update={"soc": 0.0}))


@pytest.mark.parametrize(
    "one",
    [
        step(Mode.CR, 1.0, end(Quantity.VOLTAGE, "<=", 3.4)),
        step(Mode.CC, 2.5, end(Quantity.ENERGY, ">=", 2.0)),
        step(Mode.CP, 10.0, end(Quantity.CAPACITY, ">=", 0.4)),
        step(Mode.CV, 4.1, end(Quantity.POWER, "<=", 1.0)),
        step(Mode.CC, -10.0, end(Quantity.TEMPERATURE, ">=", 30.0)),
        step(Mode.CC, 2.5, end(Quantity.DURATION, ">=", 3600), end(Quantity.VOLTAGE, ">=", 4.0)),
        step(Mode.CC, 2.5, end(Quantity.VOLTAGE, ">=", 4.19), end(Quantity.DURATION, ">=", 7.25)),
    ],
    ids=lambda one: str(one.ends[0]),
)
def test_ends_of_every_kind_fire_when_they_would_at_a_station(
    one: StepOp, cell: BatteryModelSettings
) -> None:
    assert_as_at_a_station(program(one), cell.model_copy(update={"soc": 0.6}))


def test_the_slope_of_the_voltage_is_found_within_the_time_it_is_averaged_over(
    cell: BatteryModelSettings,
) -> None:
    one = step(Mode.CC, -5.0, end(Quantity.SLOPE, ">=", 1.6e-3))
    settings = cell.model_copy(update={"soc": 0.4})
    (at_station,), run = at_a_station(program(one), settings), dry_run(program(one), settings)
    assert run.steps[0].end == at_station.end
    assert run.steps[0].duration_s == pytest.approx(at_station.duration_us / 1e6, abs=5.0)


def test_durations_are_met_to_the_microsecond(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    run = dry_run(compiled("Rest for 1234.567891 s\nCharge at 1 A for 0.05 s"), cell)
    assert [row.duration_s for row in run.steps] == [1234.567891, 0.05]
    assert run.duration_s == pytest.approx(1234.617891, abs=1e-9)


def test_a_drive_cycle_moves_what_its_table_says(cell: BatteryModelSettings) -> None:
    values = (1.0, -3.0, 0.0, 2.5, -1.25)
    times_s = (0, 1, 3, 3.5, 60)
    course = Course(
        mode=Mode.CC,
        times_us=tuple(int(at * 1e6) for at in times_s),
        values=values,
        pass_us=100_000_000,
        passes=3,
    )
    run = dry_run(program(step(Mode.CC, 1.0, course=course)), cell.model_copy(update={"soc": 0.5}))
    lasting = [after - before for before, after in itertools.pairwise((*times_s, 100))]
    moved = [3 * value * seconds / 3600 for value, seconds in zip(values, lasting, strict=True)]
    assert run.duration_s == 300.0
    assert run.moved.charge_in == pytest.approx(sum(one for one in moved if one > 0), rel=1e-9)
    assert run.moved.charge_out == pytest.approx(-sum(one for one in moved if one < 0), rel=1e-9)


def test_a_voltage_end_within_a_drive_cycle_is_found_between_its_points(
    cell: BatteryModelSettings,
) -> None:
    course = Course(
        mode=Mode.CP,
        times_us=(0, 600_000_000),
        values=(-2.0, -15.0),
        pass_us=1_200_000_000,
        passes=9,
    )
    one = step(Mode.CP, -2.0, end(Quantity.VOLTAGE, "<=", 3.5), course=course)
    assert_as_at_a_station(program(one), cell.model_copy(update={"soc": 0.6}))


def test_it_begins_empty_to_charge_and_full_to_discharge_and_says_so(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    charge = dry_run(compiled("Rest for 1 s\nCharge at 1C until 4.2 V"), cell)
    discharge = dry_run(compiled("Discharge at 1C until 2.5 V\nCharge at 1C until 4.2 V"), cell)
    given = dry_run(compiled("Rest for 1 s"), cell.model_copy(update={"soc": 0.3}))
    assert (charge.start_soc, charge.start_reason) == (
        0.0,
        "empty, because the program charges first",
    )
    assert (discharge.start_soc, discharge.start_reason) == (
        1.0,
        "full, because the program discharges first",
    )
    assert (given.start_soc, given.start_reason) == (0.3, "as given")


def test_every_cycle_is_calculated_and_counted(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    text = "Repeat 7 times:\n    Charge at 1C until 4.2 V\n    Discharge at 1C until 2.5 V\n"
    run = dry_run(compiled(text), cell)
    assert (run.ending, run.cycles_run, run.steps_run) == ("finished", 7, 14)
    assert [row.cycle for row in run.cycles] == [1, 2, 3, 4, 5, 6, 7]
    assert sum(row.duration_s for row in run.cycles) == pytest.approx(run.duration_s)
    assert [one.runs for one in run.summaries] == [7, 7]
    assert run.summaries[0].ends == {"voltage at or above 4.2 V": 7}


def test_what_takes_too_long_to_calculate_is_cut_off_and_says_so(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    text = "Repeat 60000 times:\n    Charge at 1C until 4.2 V\n    Discharge at 1C until 2.5 V\n"
    ticks = itertools.count()
    late = dry_run(compiled(text), cell, longest_s=50, clock=lambda: float(next(ticks)))
    many = dry_run(compiled(text), cell, most_cycles=3)
    assert late.ending == "cut_off"
    assert late.cut_off is not None
    assert "computing took longer than 50 s; the run itself goes on after" in late.cut_off
    assert many.cycles_run == 3
    assert many.cut_off is not None
    assert many.cut_off.startswith("3 cycles were calculated")


def test_a_step_that_never_ends_is_named(cell: BatteryModelSettings) -> None:
    run = dry_run(program(step(Mode.REST, 0.0, end(Quantity.VOLTAGE, ">=", 4.5))), cell)
    assert run.cut_off is not None
    assert "step 1 has not ended within 60 days (voltage at or above 4.5 V)" in run.cut_off


def test_a_limit_ends_it_where_the_station_would_switch_off(cell: BatteryModelSettings) -> None:
    hot = Limit(
        quantity=Limited.TEMPERATURE, compare=Compare.AT_LEAST, threshold=30.0, owner="step 1"
    )
    one = step(Mode.CC, -10.0, end(Quantity.VOLTAGE, "<=", 2.6), limits=(hot,))
    run = dry_run(program(one), cell)
    assert run.ending == "tripped"
    (trip,) = run.trips
    assert trip.value == pytest.approx(30.0, abs=0.01)
    assert "is above the limit 30 degC (step 1)" in trip.message
    assert run.extremes.temperature[1] == pytest.approx(trip.value)


def test_a_delayed_limit_acts_after_its_delay(cell: BatteryModelSettings) -> None:
    def limited(delay_s: float) -> DryRun:
        high = Limit(
            quantity=Limited.VOLTAGE, compare=Compare.AT_LEAST, threshold=3.9, delay_s=delay_s
        )
        charge = step(Mode.CC, 2.5, end(Quantity.VOLTAGE, ">=", 4.1))
        return dry_run(program(charge, limits=(high,)), cell)

    at_once, later, too_late = limited(0.0), limited(33.0), limited(3000.0)
    assert later.duration_s - at_once.duration_s == pytest.approx(33.0, abs=0.1)
    assert too_late.ending == "finished"


def test_the_limits_of_battery_and_station_trip_too(cell: BatteryModelSettings) -> None:
    run = dry_run(program(step(Mode.CC, 2.5, end(Quantity.DURATION, ">=", 9e4))), cell)
    assert run.ending == "tripped"
    assert run.trips[0].owner == "battery and station"
    assert run.trips[0].value == pytest.approx(4.221, abs=0.001)


def test_a_pause_for_a_person_takes_no_time_and_is_counted(cell: BatteryModelSettings) -> None:
    pause = step(Mode.REST, 0.0, message="swap the fixture")
    waits = step(Mode.REST, 0.0, end(Quantity.DURATION, ">=", 60), message="cool down")
    run = dry_run(program(pause, waits), cell)
    assert (run.waits, run.duration_s, run.ending) == (2, 60.0, "finished")
    assert run.steps[0].end == "resumed by a person"


def test_a_step_that_fails_the_program_is_foreseen(cell: BatteryModelSettings) -> None:
    late = end(Quantity.DURATION, ">=", 60, then=Then.FAIL)
    run = dry_run(program(step(Mode.CC, 1.0, end(Quantity.VOLTAGE, ">=", 4.0), late)), cell)
    assert (run.ending, run.duration_s) == ("failed", 60.0)
    assert "after 60 s" in run.reason


def test_loops_that_do_nothing_come_to_an_end(cell: BatteryModelSettings) -> None:
    done = step(Mode.CC, 1.0, end(Quantity.VOLTAGE, ">=", 2.0))
    run = dry_run(program(done, LoopOp(start=0, passes=None)), cell)
    assert run.ending == "failed"
    assert "no progress" in run.reason


def test_a_long_hold_costs_little_and_does_not_swing(cell: BatteryModelSettings) -> None:
    hold = step(Mode.CV, 4.1, end(Quantity.DURATION, ">=", 30 * 86400))
    run = dry_run(program(hold), cell.model_copy(update={"soc": 0.5}))
    assert run.readings < 1000
    assert run.moved.charge_out < 1e-5 * run.moved.charge_in


def test_the_curve_is_thin_and_keeps_the_extremes(
    compiled: Compile, cell: BatteryModelSettings
) -> None:
    text = "Repeat 40 times:\n    Charge at 1C until 4.2 V\n    Discharge at 3C until 2.5 V\n"
    fine = dry_run(compiled(text), cell, most_points=100_000)
    thin = dry_run(compiled(text), cell, most_points=100)
    assert len(fine.curve.step) == fine.readings > 1000
    assert len(thin.curve.step) <= 100
    assert thin.extremes == fine.extremes
    assert thin.curve.elapsed_s == tuple(sorted(thin.curve.elapsed_s))
    assert thin.curve.elapsed_s[0] == 0.0
    assert thin.curve.elapsed_s[-1] == fine.duration_s


def test_it_is_kept_as_json_without_loss(compiled: Compile, cell: BatteryModelSettings) -> None:
    run = dry_run(compiled(FORMATION), cell, assumed=("it holds 2.5 Ah",))
    assert DryRun.model_validate_json(run.model_dump_json()) == run


def test_the_same_run_gives_the_same_result(compiled: Compile, cell: BatteryModelSettings) -> None:
    one, other = (dry_run(compiled(FORMATION), cell, clock=lambda: 0.0) for _ in range(2))
    assert one == other


def test_a_curve_of_no_points_is_refused(compiled: Compile, cell: BatteryModelSettings) -> None:
    with pytest.raises(ValueError, match="keep 8 or more"):
        dry_run(compiled("Rest for 1 s"), cell, most_points=3)

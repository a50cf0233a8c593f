"""Judging a reading: what is used, what is dropped, what is a fault."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.domain.limits import Limits
from bem.station.supervisor import Cause, Supervisor, differs, stale_after_s
from bem_drivers.base import OFF, Command, Measured, Mode, Reading

NOW = 100_000_000_000
CHARGING = Command(Mode.CC, 1.0)
LIMITS = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-2.0, current_max=2.0, power_max=6.0)


def _reading(
    voltage: float = 3.7,
    current: float = 1.0,
    age_s: float = 0.0,
    active: Command | None = CHARGING,
) -> Reading:
    at = NOW - round(age_s * 1e9)
    return Reading(
        {"voltage": Measured(voltage, at), "current": Measured(current, at)}, active=active
    )


def _causes(reading: Reading, commanded: Command = CHARGING, times: int = 1) -> list[Cause]:
    supervisor = Supervisor(0.5, LIMITS)
    for _ in range(times):
        judged = supervisor.judge(reading, NOW, commanded)
    return [trouble.cause for trouble in judged.troubles]


@pytest.mark.parametrize(
    ("reading", "causes"),
    [
        (_reading(), []),
        (_reading(voltage=4.21), [Cause.LIMIT]),
        (_reading(current=-2.5), [Cause.LIMIT]),
        (_reading(voltage=4.0, current=1.9), [Cause.LIMIT]),
        (_reading(voltage=math.nan), [Cause.INVALID]),
        (_reading(current=-math.inf), [Cause.INVALID]),
        (_reading(age_s=0.51), [Cause.STALE, Cause.STALE]),
        (Reading({}, active=CHARGING), [Cause.MISSING, Cause.MISSING]),
        (Reading(_reading().values, CHARGING, ("over_voltage",)), [Cause.DEVICE_FAULT]),
        (_reading(active=OFF), []),
    ],
)
def test_one_reading(reading: Reading, causes: list[Cause]) -> None:
    assert _causes(reading) == causes


@pytest.mark.parametrize(
    ("commanded", "active", "words"),
    [
        (CHARGING, OFF, "output went off by itself; CC 1 A was commanded"),
        (CHARGING, None, "the device does not say what it does; CC 1 A was commanded"),
        (OFF, CHARGING, "output is on (CC 1 A) although off was commanded"),
        (CHARGING, Command(Mode.CV, 4.0), "the device does CV 4 V although CC 1 A was commanded"),
    ],
)
def test_a_second_reading_of_another_output_is_a_fault(
    commanded: Command, active: Command | None, words: str
) -> None:
    assert _causes(_reading(active=active), commanded, times=1) == []
    assert _causes(_reading(active=active), commanded, times=2) == [Cause.WRONG_OUTPUT]
    supervisor = Supervisor(0.5)
    supervisor.judge(_reading(active=active), NOW, commanded)
    judged = supervisor.judge(_reading(active=active), NOW, commanded)
    assert judged.troubles[0].reason == words
    assert judged.output_trouble == judged.troubles[0]


def test_one_good_reading_between_two_others_forgives() -> None:
    supervisor = Supervisor(0.5)
    for active in (OFF, CHARGING, OFF, CHARGING):
        judged = supervisor.judge(_reading(active=active), NOW, CHARGING)
        assert judged.troubles == ()


@pytest.mark.parametrize(
    ("commanded", "active", "expected"),
    [
        (Command(Mode.CC, 1.0), Command(Mode.CC, 1.001), False),
        (Command(Mode.CC, 1.0), Command(Mode.CC, -1.0), True),
        (Command(Mode.CC, 0.05), Command(Mode.CC, 0.07), True),
        (Command(Mode.CV, 4.2), Command(Mode.CV, 4.25), True),
        (Command(Mode.CP, 10.04), Command(Mode.CP, 10.0), False),
        (OFF, OFF, False),
    ],
)
def test_a_set_point_may_be_off_by_the_resolution_of_the_device(
    commanded: Command, active: Command, expected: bool
) -> None:
    assert differs(commanded, active) is expected


def test_power_needs_both_and_carries_the_older_instant() -> None:
    supervisor = Supervisor(0.5)
    values = {"voltage": Measured(4.0, NOW - 300), "current": Measured(2.0, NOW - 100)}
    judged = supervisor.judge(Reading(values, OFF), NOW, OFF)
    assert judged.values["power"] == 8.0
    assert judged.at_ns == NOW - 300
    judged = supervisor.judge(Reading({"voltage": Measured(4.0, NOW)}, OFF), NOW, OFF)
    assert judged.values == {"voltage": 4.0}
    assert judged.at_ns is None


@pytest.mark.parametrize(("period_s", "expected"), [(0.1, 0.5), (0.01, 0.5), (1.0, 3.0)])
def test_what_is_stale_depends_on_the_period(period_s: float, expected: float) -> None:
    assert stale_after_s(period_s) == expected


@given(
    voltage=st.floats(),
    current=st.floats(),
    age_s=st.floats(0, 2),
    temperature=st.floats(),
    temperature_age_s=st.floats(0, 30),
)
def test_values_are_always_finite_and_fresh_and_doubt_is_always_a_trouble(
    voltage: float, current: float, age_s: float, temperature: float, temperature_age_s: float
) -> None:
    values = {
        "voltage": Measured(voltage, NOW - round(age_s * 1e9)),
        "current": Measured(current, NOW),
        "temperature_body": Measured(temperature, NOW - round(temperature_age_s * 1e9)),
    }
    supervisor = Supervisor(0.5, LIMITS, frozenset({"temperature_body"}))
    judged = supervisor.judge(Reading(values, OFF), NOW, OFF)
    taken = {name: value for name, value in judged.values.items() if name != "power"}
    assert all(math.isfinite(value) for value in taken.values())
    # Every essential channel either gives a value or is a trouble, never both and never neither.
    doubted = {
        name for name in values for one in judged.troubles
        if one.cause is not Cause.LIMIT and one.reason.startswith(name)
    }  # fmt: skip
    assert doubted == set(values) - set(taken)

"""Whatever is commanded, breaks and takes its time: source and load are never on together.

What counts is what the simulated instruments truly did, in the order in which they did it. Left out
are a hand at the front panel, and an instrument that says "off" and is on: no driver can know.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.unit.drivers.conftest import MS
from tests.unit.drivers.scpi_bench import (
    Bench,
    Poles,
    load_description_of,
    power_bench,
    source_description,
)
from tests.unit.drivers.test_pair_driver import DEAD_NS, PROTECTION, SETTINGS

from bem_drivers.base import Command, DeviceError, Mode
from bem_drivers.pair.driver import PairDevice


@dataclass
class Watched:
    """A pair whose instruments write one ledger; it complains as soon as both are on."""

    clock: ManualClock = field(default_factory=ManualClock)
    poles: Poles = field(default_factory=Poles)
    on: set[str] = field(default_factory=set)
    off_ns: dict[str, int] = field(default_factory=dict)
    times_on: int = 0
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = power_bench(self.clock, source_description(), self.poles)
        self.load = power_bench(self.clock, load_description_of(), self.poles)
        for name, bench in self.benches().items():
            bench.unit._record = self._recorder(name)
        self.driver = PairDevice(SETTINGS, self.clock, self.source.driver, self.load.driver)

    def benches(self) -> dict[str, Bench]:
        return {"source": self.source, "load": self.load}

    def _recorder(self, name: str) -> Callable[..., None]:
        other = "load" if name == "source" else "source"

        def record(at_ns: int, kind: str, facts: dict[str, object]) -> None:
            if kind != "output":
                return
            if not facts["on"]:
                self.on.discard(name)
                self.off_ns[name] = at_ns
                return
            self.times_on += 1
            self.on.add(name)
            if other in self.on:
                self.broken.append(f"both on at {at_ns}")
            elif at_ns - self.off_ns.get(other, -DEAD_NS) < DEAD_NS:
                self.broken.append(f"no dead time before {name} at {at_ns}")

        return record


COMMANDS = st.one_of(
    st.builds(Command, st.just(Mode.CC), st.sampled_from([-5.0, -1.0, -0.001, 0.0, 0.001, 2.0])),
    st.builds(Command, st.just(Mode.CP), st.sampled_from([-10.0, 0.0, 5.0])),
    st.builds(Command, st.just(Mode.CV), st.sampled_from([3.5, 3.69, 3.7, 3.71, 4.2])),
    st.just(Command(Mode.OFF)),
)
FAULTS = st.sampled_from(
    [
        *("stuck on", "stuck off", "silent on", "silent off", "refuse on", "refuse off"),
        *(
            "deaf on",
            "deaf off",
            "frozen on",
            "frozen off",
            "late 300",
            "late 900",
            "late 3000",
            "late off",
        ),
        *("garbage 1", "garbage 3", "half 1", "half 3", "double 1", "double 4", "drop 1"),
        *("drop 5", "trip over_voltage", "trip over_temperature", "voltage 3.0", "voltage off"),
    ]
)
SIDES = st.sampled_from(["source", "load"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), COMMANDS),
        st.tuples(st.just("apply"), COMMANDS),
        st.tuples(st.sampled_from(["read", "make_safe", "keep_alive", "release", "reopen"])),
        st.tuples(st.just("protect")),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 99, 100, 1000])),
        st.tuples(st.just("fault"), SIDES, FAULTS),
        st.tuples(st.just("plug"), SIDES, st.booleans()),
        st.tuples(st.just("battery"), st.sampled_from([3.0, 3.7, 4.3])),
    ),
    max_size=25,
)


def do(watched: Watched, step: tuple[object, ...]) -> None:
    """Take one step; an error of a device is what a station would see, and goes on."""
    what, *details = step
    driver = watched.driver
    if what == "wait":
        watched.clock.now_ns += int(str(details[0])) * MS
    elif what == "fault":
        watched.benches()[str(details[0])].break_down(str(details[1]))
    elif what == "plug":
        watched.benches()[str(details[0])].link.unplugged = bool(details[1])
    elif what == "battery":
        watched.poles.source = float(str(details[0]))
    elif what == "apply":
        command = details[0]
        assert isinstance(command, Command)
        driver.apply(command)
    elif what == "protect":
        driver.protect(PROTECTION)
    elif what == "reopen":
        driver.close()
        driver.open()
    else:
        getattr(driver, str(what))()


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_source_and_load_are_never_on_together(steps: list[tuple[object, ...]]) -> None:
    watched = Watched()
    watched.driver.open()
    for step in steps:
        try:
            do(watched, step)
        except DeviceError:
            continue
        finally:
            assert watched.broken == [], step


def test_the_watch_sees_what_it_is_for() -> None:
    """Without the pair between them both do go on, and the watch says so."""
    watched = Watched()
    watched.driver.open()
    watched.source.driver.apply(Command(Mode.CC, 1.0))
    watched.load.driver.apply(Command(Mode.CC, -1.0))
    assert len(watched.broken) == 1
    assert watched.times_on == 2


def test_a_drive_cycle_is_carried_out() -> None:
    """A command a second, across zero again and again."""
    watched = Watched()
    watched.driver.open()
    watched.driver.protect(PROTECTION)
    for second in range(150):
        setpoint = (second * 7 % 11 - 5) * 0.7
        watched.driver.apply(Command(Mode.CC, setpoint))
        assert watched.poles.current == pytest.approx(setpoint)
        watched.clock.now_ns += 1000 * MS
    assert watched.broken == []
    assert watched.times_on > 40

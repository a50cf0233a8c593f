"""A bench for the control loop: a clock that the test turns, and a device that does as told."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import ManualClock

from bem.domain.limits import Limits
from bem.domain.program import (
    Compare,
    End,
    Mode,
    Operation,
    Program,
    Quantity,
    RecordRule,
    Setpoint,
    StepOp,
)
from bem.runtime.local import LocalReply
from bem.runtime.settings import StationDefinition, StationDevice, StationMeter
from bem.station.disk import Space, space_of
from bem.station.journal import Journal
from bem.station.loop import ControlLoop
from bem.station.meters import Meter, Meters
from bem.station.orders import parse_order
from bem_drivers.base import (
    OFF,
    Channel,
    Command,
    CommunicationLost,
    Device,
    DeviceError,
    Identity,
    Measured,
    PowerDevice,
    Protection,
    Ratings,
    Reading,
)
from bem_drivers.base import Mode as DeviceMode


class TurnedClock(ManualClock):
    """Time passes when the test says so, the time of day with it."""

    def __init__(self) -> None:
        super().__init__(1_000_000_000_000)

    def utc_now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.now_ns // 1000)


class ScriptedDevice(PowerDevice):
    """Obeys, unless the test breaks it. Keeps what was done to it in ``calls``."""

    def __init__(self, clock: TurnedClock) -> None:
        self.identity = Identity("Test", "Bench", "7", "1.0")
        self.channels = (
            Channel("voltage", "V", "Voltage"),
            Channel("current", "A", "Current"),
            Channel("temperature_body", "degC", "Body"),
        )
        self.ratings = Ratings(0.0, 6.0, -15.0, 15.0, -90.0, 90.0)
        self.clock = clock
        self.voltage = 3.7
        self.temperature: float | None = 25.0
        self.temperature_ns: int | None = None
        self.measured_ns: int | None = None
        self.active: Command | None = OFF
        self.faults: tuple[str, ...] = ()
        self.reading_error: DeviceError | None = None
        self.apply_error: DeviceError | None = None
        self.safe_error: DeviceError | None = None
        self.open_error: DeviceError | None = None
        self.values: dict[str, float] = {}
        self.calls: list[Any] = []
        self.protection: Protection | None = None

    def open(self) -> None:
        self.calls.append("open")
        if self.open_error is not None:
            raise self.open_error
        self.active = OFF

    def close(self) -> None:
        self.calls.append("close")

    def read(self) -> Reading:
        if self.reading_error is not None:
            raise self.reading_error
        now = self.clock.now_ns if self.measured_ns is None else self.measured_ns
        charging = self.active is not None and self.active.mode is DeviceMode.CC
        current = self.active.setpoint if charging and self.active is not None else 0.0
        values = {"voltage": self.voltage, "current": current} | self.values
        measured = {name: Measured(value, now) for name, value in values.items()}
        if self.temperature is not None:
            at = self.clock.now_ns if self.temperature_ns is None else self.temperature_ns
            measured["temperature_body"] = Measured(self.temperature, at)
        return Reading(measured, self.active, self.faults)

    def protect(self, protection: Protection) -> Protection:
        self.calls.append("protect")
        self.protection = protection
        return protection

    def release(self) -> None:
        self.calls.append("release")
        self.protection = None

    def keep_alive(self) -> None:
        self.calls.append("keep_alive")

    def apply(self, command: Command) -> None:
        self.calls.append(command)
        if self.apply_error is not None:
            raise self.apply_error
        self.active = command

    def make_safe(self) -> None:
        self.calls.append("make_safe")
        if self.safe_error is not None:
            raise self.safe_error
        self.active = OFF

    @property
    def applied(self) -> list[Command]:
        return [call for call in self.calls if isinstance(call, Command)]


class ScriptedMeter(Device):
    """Measures what the test says."""

    def __init__(self, clock: TurnedClock) -> None:
        self.identity = Identity("Test", "Meter")
        self.channels = (
            Channel("voltage", "V", "Voltage"),
            Channel("cell_voltage_1", "V", "Cell 1"),
        )
        self.clock = clock
        self.values = {"voltage": 3.7, "cell_voltage_1": 3.7}
        self.faults: tuple[str, ...] = ()
        self.error: Exception | None = None
        self.opened = 0

    def open(self) -> None:
        if self.error is not None:
            raise self.error
        self.opened += 1

    def close(self) -> None:
        pass

    def read(self) -> Reading:
        if self.error is not None:
            raise self.error
        now = self.clock.now_ns
        return Reading(
            {name: Measured(value, now) for name, value in self.values.items()}, faults=self.faults
        )


class Bench:
    """A control loop with everything around it, and words to say what happens to it."""

    period_s = 0.1

    def __init__(
        self,
        folder: Path,
        time_scale: float = 1.0,
        ask_space: Callable[[Path], Space] = space_of,
        meters: tuple[StationMeter, ...] = (),
    ) -> None:
        self.clock = TurnedClock()
        self.meters = [Meter(one, ScriptedMeter(self.clock), self.clock) for one in meters]
        self.ask_space = ask_space
        self.device = ScriptedDevice(self.clock)
        self.definition = StationDefinition(
            id="one",
            name="One",
            time_scale=time_scale,
            power=StationDevice(driver="virtual"),
        )
        self.path = folder / "journal.sqlite3"
        self.experiment = uuid.uuid4()
        self.lost = CommunicationLost("no answer for 1 s; check the cable")
        self.boot()

    def boot(self) -> None:
        """Start the station's process, as far as the loop sees it."""
        self.journal = Journal(self.path, 30.0, self.clock, self.ask_space)
        self.journal.__enter__()
        meters = Meters(self.meters, self.period_s, self.clock)
        self.loop = ControlLoop(self.definition, self.device, self.journal, self.clock, meters)
        self.loop.recover()
        self.turn()

    def halt(self) -> None:
        """End the journal's thread; what was not committed stays so no longer."""
        self.journal.__exit__(None, None, None)

    def turn(self, passes: int = 1) -> None:
        for _ in range(passes):
            self.clock.now_ns += round(self.period_s * 1e9)
            self.loop.turn()

    def order(self, action: str, **arguments: object) -> LocalReply:
        future = self.loop.submit(parse_order(action, arguments))
        self.loop.serve_orders()
        return future.result(timeout=0)

    def start(
        self, program: Program, experiment: uuid.UUID | None = None, **more: object
    ) -> LocalReply:
        return self.order(
            "start",
            experiment=str(experiment or self.experiment),
            name="a run",
            program=json.loads(program.model_dump_json()),
            **more,
        )

    def direct(self, action: str, **more: object) -> LocalReply:
        """Order something about the run."""
        return self.order(action, experiment=str(self.experiment), **more)

    def stop(self, **more: str) -> LocalReply:
        return self.order("stop", experiment=str(self.experiment), **more)

    @property
    def state(self) -> str:
        return self.loop.snapshot.state

    @property
    def activity(self) -> str | None:
        return self.loop.snapshot.live().activity

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events()]

    def cut_power(self, off_s: float = 0.0) -> None:
        """Have the process die without warning, and another one start ``off_s`` later."""
        assert self.journal.flush(10)
        self.halt()
        self.clock.sleep(off_s)
        self.device.active = OFF
        self.boot()

    def rows(self, sql: str, *values: object) -> list[Any]:
        assert self.journal.flush(10)
        database = sqlite3.connect(self.path)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.rows(
            "SELECT kind, data FROM event WHERE experiment = ? ORDER BY seq", str(self.experiment)
        )
        return [(kind, json.loads(data)) for kind, data in rows]

    def outcome(self) -> str | None:
        rows = self.rows("SELECT outcome FROM run WHERE experiment = ?", str(self.experiment))
        return rows[0][0] if rows else None


@pytest.fixture
def bench_type() -> type[Bench]:
    """For tests that make a bench for each of their examples."""
    return Bench


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(**settings: Any) -> Bench:  # noqa: ANN401 - of the bench
        folder = tmp_path / str(len(benches))
        benches.append(Bench(folder, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.halt()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


def _step(
    mode: str,
    value: float,
    *ends: tuple[str, str, float],
    number: int = 1,
    record: RecordRule | None = None,
) -> StepOp:
    return StepOp(
        number=number,
        title=f"{mode} {value:g}",
        setpoint=Setpoint(mode=Mode(mode), value=value),
        ends=tuple(
            End(quantity=Quantity(quantity), compare=Compare(compare), threshold=threshold)
            for quantity, compare, threshold in ends
        ),
        record=record,
    )


@pytest.fixture
def step() -> Callable[..., StepOp]:
    """Make a step: ``step("cc", 1.0, ("voltage", ">=", 4.2), number=1)``."""
    return _step


@pytest.fixture
def program() -> Callable[..., Program]:
    """Make a program of operations for a 2.5..4.2 V cell."""

    def make(*operations: Operation, **limits: float) -> Program:
        bounds = {
            "voltage_min": 2.5,
            "voltage_max": 4.2,
            "current_min": -5.0,
            "current_max": 5.0,
        } | limits
        return Program(name="test", operations=operations, operating=Limits(**bounds))

    return make


@pytest.fixture
def hour_of_charging(program: Callable[..., Program]) -> Program:
    return program(_step("cc", 1.0, ("duration", ">=", 3600.0)))

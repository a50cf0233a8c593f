"""What a suspicious engineer tried on a station: nothing of it may start or keep an output on."""

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from bem.domain.program import Program, StepOp
from bem.runtime.local import LocalRequest
from bem.runtime.settings import NodeSettings
from bem.station import main as station_main
from bem.station.clock import SystemStationClock
from bem.station.desk import CommandDesk
from bem.station.journal import Journal
from bem.station.meters import no_meters
from bem.station.orders import AcknowledgeOrder
from bem_drivers.base import OFF, Reading

if TYPE_CHECKING:
    from tests.unit.station.conftest import Bench


@pytest.fixture
def socket() -> Iterator[Path]:
    # Sockets need a short path; pytest's is too long.
    with tempfile.TemporaryDirectory(prefix="bem-") as folder:
        yield Path(folder) / "one.sock"


class RecordingNotifier:
    """Counts what a watchdog would be fed, without a socket to a systemd that is not there."""

    watchdog_s: float | None = None

    def __init__(self) -> None:
        self.fed = 0

    def alive(self) -> None:
        self.fed += 1

    def ready(self) -> None:
        return

    def stopping(self) -> None:
        return

    def status(self, text: str) -> None:
        assert text


@pytest.fixture
def notifier(monkeypatch: pytest.MonkeyPatch) -> RecordingNotifier:
    notifier = RecordingNotifier()
    monkeypatch.setattr(station_main, "Notifier", lambda: notifier)
    return notifier


def test_an_output_that_dropped_out_does_not_end_a_hold_as_if_the_battery_were_full(
    bench: "Bench", program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    """A converter that gave up reads 0 A, as a charged battery does; the next step must not run."""
    started = bench.start(
        program(
            step("cv", 4.2, ("current", "<=", 0.1), number=1),
            step("cc", -1.0, ("voltage", "<=", 2.5), number=2),
        )
    )
    assert started.ok
    bench.device.values["current"] = 1.5
    bench.turn(20)
    assert bench.state == "running"
    # An over-current clears itself when the output is off: IDLE and 0 A are all that is left of it.
    bench.device.active = OFF
    bench.device.values["current"] = 0.0
    bench.turn(2)
    assert bench.state == "fault"
    assert len(bench.device.applied) == 1
    assert "went off by itself" in bench.loop.snapshot.reason
    assert "step_ended" not in [kind for kind, _ in bench.events()]
    assert bench.outcome() == "failed"


def test_a_device_that_needs_a_reading_to_say_what_it_does_is_no_fault(
    bench: "Bench", hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    told = bench.device.active
    bench.device.active = OFF
    bench.turn()
    bench.device.active = told
    bench.turn(10)
    assert bench.state == "running"
    assert bench.rows("SELECT COUNT(*) FROM sample") == [(10,)]


def test_a_driver_s_defect_while_switching_off_still_latches_and_ends_the_run(
    bench: "Bench", hour_of_charging: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start(hour_of_charging)
    bench.turn(5)

    def defective() -> None:
        raise TypeError("a defect of the driver")

    monkeypatch.setattr(bench.device, "make_safe", defective)
    bench.loop.crash(RuntimeError("something else"))
    assert bench.outcome() == "failed"
    assert bench.events()[-1][1]["output_off_verified"] is False
    assert bench.rows("SELECT COUNT(*) FROM latch") == [(1,)]


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_a_watermark_that_no_journal_can_hold_is_refused_at_the_door(number: int) -> None:
    with pytest.raises(ValidationError, match="next_sample"):
        LocalRequest(request="forget", experiment=uuid.uuid4(), next_sample=number)
    with pytest.raises(ValidationError, match="next_event"):
        LocalRequest(request="forget", experiment=uuid.uuid4(), next_event=number)


def test_keeping_rows_for_longer_than_the_calendar_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="keep_days"):
        NodeSettings(keep_days=1e6)


def test_a_change_the_database_cannot_take_does_not_end_the_writer(
    bench: "Bench", hour_of_charging: Program, wait_until: Callable[..., None]
) -> None:
    """An unexpected error is said and tried again; it does not silently end the thread."""
    bench.start(hour_of_charging)
    bench.turn(3)
    assert bench.journal.flush(5)
    bench.journal.forget(bench.experiment, 2**63, 0)
    assert not bench.journal.flush(0.5)
    assert "too large" in str(bench.journal.trouble())
    assert any(thread.name == "journal" and thread.is_alive() for thread in threading.enumerate())
    bench.turn()
    assert bench.state == "fault"
    assert bench.device.active == OFF
    with bench.journal._changed:
        bench.journal._queue.popleft()
        bench.journal._queued -= 1
    wait_until(lambda: bench.journal.trouble() is None, "the journal to recover")
    assert bench.outcome() == "failed"


def test_an_order_after_the_end_is_refused_at_once_and_may_be_repeated(bench: "Bench") -> None:
    bench.loop.shut_down("the station was stopped")
    reply = bench.loop.submit(AcknowledgeOrder()).result(timeout=0)
    assert (reply.ok, reply.retry) == (False, True)
    assert "stopped" in reply.reason


@pytest.mark.usefixtures("notifier")
def test_after_an_error_of_the_program_the_output_goes_off_before_anything_else(
    bench: "Bench", hour_of_charging: Program, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the socket takes up to a quarter of a second; the output must not wait for it."""
    device = bench.device
    order: list[tuple[str, float]] = []

    def failing() -> Reading:
        order.append(("error", time.monotonic()))
        raise TypeError("a defect of the driver")

    def switched_off() -> None:
        order.append(("off", time.monotonic()))
        device.active = OFF

    process = station_main._Process(
        bench.definition,
        device,
        no_meters(bench.clock),
        bench.journal,
        SystemStationClock(),
        station_main._Signals(),
    )
    device.clock = SystemStationClock()  # type: ignore[assignment]  # the real one, as in a process
    monkeypatch.setattr(device, "read", failing)
    monkeypatch.setattr(device, "make_safe", switched_off)
    assert process.run(socket) == 1
    kinds = [kind for kind, _ in order]
    assert kinds == ["error", "off"]
    assert order[1][1] - order[0][1] < 0.1


def test_the_watchdog_is_fed_by_a_loop_that_is_always_late(
    bench: "Bench", socket: Path, notifier: RecordingNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = station_main._Signals()
    process = station_main._Process(
        bench.definition,
        bench.device,
        no_meters(bench.clock),
        bench.journal,
        SystemStationClock(),
        signals,
    )
    passes: list[int] = []

    def slow() -> None:
        passes.append(1)
        threading.Event().wait(0.15)
        if len(passes) == 5:
            signals._receive(15, None)

    monkeypatch.setattr(process._loop, "turn", slow)
    assert process.run(socket) == 0
    assert notifier.fed >= len(passes)


def test_an_answer_is_kept_until_it_is_on_the_disk_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command's success says nothing of one that came after it."""
    with Journal(tmp_path / "journal.sqlite3", 30.0, SystemStationClock()) as journal:
        desk = CommandDesk(journal, None)  # type: ignore[arg-type]  # nothing gets as far as the loop
        late = uuid.uuid4()
        flush = journal.flush

        def overtaken(timeout_s: float) -> bool:
            written = flush(timeout_s)
            desk._unwritten[late] = desk._unwritten[first]
            return written

        monkeypatch.setattr(journal, "flush", overtaken)
        first = uuid.uuid4()
        desk.execute(LocalRequest(request="command", id=first, action="dance"))
        assert late in desk._unwritten
        assert first not in desk._unwritten

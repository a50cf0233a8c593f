"""Whatever a device and a person do in whatever order, these things hold."""

import math
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bem.domain.program import LoopOp, Program, RecordRule, StepOp
from bem_drivers.base import OFF, Command, CommunicationLost, DeviceError, Mode

_LOST = CommunicationLost("no answer")
_MISHAPS: dict[str, Callable[[Any], None]] = {
    "over voltage": lambda device: setattr(device, "voltage", 4.5),
    "no number": lambda device: setattr(device, "voltage", math.nan),
    "good voltage": lambda device: setattr(device, "voltage", 3.7),
    "fault": lambda device: setattr(device, "faults", ("something",)),
    "fault clears": lambda device: setattr(device, "faults", ()),
    "goes off": lambda device: setattr(device, "active", OFF),
    "goes on": lambda device: setattr(device, "active", Command(Mode.CC, 1.5)),
    "freezes": lambda device: setattr(device, "measured_ns", device.clock.now_ns),
    "thaws": lambda device: setattr(device, "measured_ns", None),
    "does not answer": lambda device: _errors(device, _LOST),
    "answers": lambda device: _errors(device, None),
    "does not obey": lambda device: setattr(device, "apply_error", _LOST),
    "obeys": lambda device: setattr(device, "apply_error", None),
}
_DEEDS = ("start", "stop", "acknowledge", "restart")


def _errors(device: Any, error: DeviceError | None) -> None:  # noqa: ANN401 - of conftest.py
    device.reading_error = device.open_error = device.safe_error = error


@given(
    st.lists(
        st.tuples(st.sampled_from([*_MISHAPS, *_DEEDS, "start", "start"]), st.integers(1, 12)),
        max_size=25,
    )
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nothing_is_on_unless_a_run_is_and_no_run_follows_a_fault(
    bench_type: type[Any],
    program: Callable[..., Program],
    step: Callable[..., StepOp],
    happenings: list[tuple[str, int]],
) -> None:
    plan = program(
        step("cc", 1.0, ("duration", ">=", 0.5), number=1),
        step("rest", 0.0, ("duration", ">=", 0.3), number=2, record=RecordRule(every_s=0.2)),
        step("cc", -1.0, ("duration", ">=", 0.5), number=3),
        LoopOp(start=0, passes=3, counts_cycles=True),
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = bench_type(Path(folder))
        try:
            for name, passes in happenings:
                _happen(bench, plan, name)
                for _ in range(passes):
                    was_fault = bench.state == "fault"
                    before = len(bench.device.applied)
                    bench.turn()
                    if was_fault:
                        assert bench.state == "fault"
                        assert len(bench.device.applied) == before
                bench.turn(2)
                if bench.state != "running" and bench.device.safe_error is None:
                    _settle(bench)
                    assert bench.device.active == OFF
            bench.loop.shut_down("the end")
            _check_records(bench)
        finally:
            bench.halt()


def _happen(bench: Any, plan: Program, name: str) -> None:  # noqa: ANN401 - of conftest.py
    match name:
        case "start":
            may_start = bench.state == "idle"
            experiment = uuid.uuid4()
            if bench.start(plan, experiment).ok:
                assert may_start
                bench.experiment = experiment
        case "stop":
            bench.stop()
        case "acknowledge":
            bench.order("acknowledge")
        case "restart":
            bench.halt()
            bench.boot()
        case _:
            _MISHAPS[name](bench.device)


def _settle(bench: Any) -> None:  # noqa: ANN401 - of conftest.py
    """Give a device that was lost the longest pause between two searches."""
    if bench.state != "idle":
        bench.turn(110)


def _check_records(bench: Any) -> None:  # noqa: ANN401 - of conftest.py
    assert bench.rows("SELECT COUNT(*) FROM run WHERE outcome IS NULL") == [(0,)]
    for table in ("sample", "event"):
        assert (
            bench.rows(
                f"SELECT experiment FROM {table} GROUP BY experiment "  # noqa: S608 - one of two names
                "HAVING MIN(seq) <> 0 OR MAX(seq) <> COUNT(*) - 1"
            )
            == []
        )
    last_kinds = bench.rows(
        "SELECT DISTINCT kind FROM event e WHERE seq = "
        "(SELECT MAX(seq) FROM event WHERE experiment = e.experiment)"
    )
    assert last_kinds in ([], [("run_ended",)])
    assert bench.rows("SELECT COUNT(*) FROM sample WHERE voltage > 10 OR voltage IS NULL") == [(0,)]
    doubled = (
        "SELECT experiment, elapsed_us FROM sample GROUP BY experiment, elapsed_us "
        "HAVING COUNT(*) > 1"
    )
    assert bench.rows(doubled) == []

"""A disk that fills: said while there is time, and acted on while there is still room to record."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bem.domain.program import Program
from bem.station import disk
from bem.station.disk import MIB, DiskWatch, Space
from bem_drivers.base import OFF

Bench = Any


class Disk:
    """A disk whose room the test sets."""

    def __init__(self, total_mib: float) -> None:
        self.total = round(total_mib * MIB)
        self.free = self.total

    def ask(self, _: Path) -> Space:
        return Space(self.free, self.total)


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(disk, "LOOK_EVERY_S", 0.0)
    return iter(())


@pytest.mark.parametrize(
    ("total_mib", "warns_below_mib", "full_below_mib"),
    [(1_000, 100, 20), (16_000, 1_600, 64), (4_000_000, 2048, 64)],
)
def test_it_warns_and_then_is_full(
    total_mib: float, warns_below_mib: float, full_below_mib: float
) -> None:
    room = Disk(total_mib)
    watch = DiskWatch(Path("/data"), room.ask)
    for free_mib, warns, full in (
        (warns_below_mib + 1, False, False),
        (warns_below_mib - 1, True, False),
        (full_below_mib + 1, True, False),
        (full_below_mib - 1, True, True),
        (full_below_mib * 1.2, True, False),
        (warns_below_mib * 1.05, True, False),
        (warns_below_mib * 1.2, False, False),
    ):
        room.free = round(free_mib * MIB)
        watch.look_now_and_then()
        assert (bool(watch.warning), bool(watch.trouble)) == (warns, full), free_mib


def test_a_warning_keeps_its_words_while_it_lasts() -> None:
    room = Disk(1000)
    watch = DiskWatch(Path("/data"), room.ask)
    room.free = 90 * MIB
    watch.look_now_and_then()
    said = watch.warning
    room.free = 80 * MIB
    watch.look_now_and_then()
    assert watch.warning == said
    assert "90 MiB of 1000 MiB free" in said


def test_a_disk_that_cannot_be_asked_is_not_the_end(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path / "gone")
    watch.look_now_and_then()
    assert (watch.warning, watch.trouble) == ("", "")


def test_a_run_is_told_of_a_disk_that_fills_and_fails_safely_before_it_is_full(
    make_bench: Callable[..., Bench], hour_of_charging: Program, wait_until: Callable[..., None]
) -> None:
    room = Disk(1000)
    bench = make_bench(ask_space=room.ask)
    bench.start(hour_of_charging)

    def turned_until(holds: Callable[[], bool]) -> None:
        def check() -> bool:
            bench.turn()
            assert bench.journal.flush(5)
            return holds()

        wait_until(check, "the station to notice")

    room.free = 50 * MIB
    turned_until(lambda: bool(bench.loop.snapshot.description().warnings))
    assert bench.state == "running"
    room.free = 500 * MIB
    turned_until(lambda: not bench.loop.snapshot.description().warnings)
    warned = [data for kind, data in bench.events() if kind == "warned"]
    assert [(one["cause"], one["cleared"]) for one in warned] == [("disk", False), ("disk", True)]
    room.free = 10 * MIB
    turned_until(lambda: bench.state == "fault")
    assert bench.device.active == OFF
    assert bench.outcome() == "failed"
    assert "is full: 10 MiB of 1000 MiB free" in bench.loop.snapshot.reason
    assert bench.order("acknowledge").ok
    assert "cannot record" in bench.start(hour_of_charging).reason or bench.journal.has_run(
        bench.experiment
    )

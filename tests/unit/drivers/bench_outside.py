"""A driver from outside with a simulator, as another package would bring them."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from bem_drivers.base import Clock, Command, Device, Mode
from bem_drivers.registry import DriverSpec
from bem_drivers.simulation.spec import Place, SimulatorSpec


class OutsideSettings(BaseModel):
    """Settings of driver and unit alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: str = "hello"
    current: float = 0.0


class OutsideUnit:
    """Says its word, the voltage of its battery, or ``late`` after a second."""

    def __init__(self, settings: OutsideSettings, place: Place) -> None:
        self.word = settings.word
        self._terminals = place.terminals
        self._record = place.record
        if place.terminals:
            place.lead().regulate(Command(Mode.CC, settings.current), -10.0, 10.0)
        place.record(place.now_ns, "on", {"word": self.word})

    def receive(self, line: str, now_ns: int) -> list[str]:
        self._record(now_ns, "asked", {"line": line})
        return [f"{self._terminals[0].voltage:.4f}" if line == "volts?" else self.word]

    def advance(self, now_ns: int) -> None:
        for terminals in self._terminals:
            terminals.advance(now_ns)

    def break_down(self, order: str, now_ns: int) -> None:
        name, _, value = order.partition(" ")
        if name != "say":
            self._record(now_ns, "refused", {"order": order})
            raise ValueError(f"no fault {name!r}; there are: say")
        self.word = value


def _make(settings: OutsideSettings, clock: Clock) -> Device:
    raise AssertionError("only its simulator is used here")


SIMULATOR = SimulatorSpec(
    wire="line",
    settings=OutsideSettings,
    make=OutsideUnit,
    batteries=(0, 1),
    orders={"say WORD": "its word from now on"},
)
DRIVER = DriverSpec("outside", "Outside", OutsideSettings, _make, simulate=lambda: SIMULATOR)
BARE = DriverSpec("bare", "Without a simulator", OutsideSettings, _make)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the drivers ``outside`` and ``bare`` found as those of an installed package."""
    about = folder / "bench_outside-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-outside\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[bem.drivers]\noutside = bench_outside:DRIVER\nbare = bench_outside:BARE\n"
    )
    (folder / "bench_outside.py").write_text(Path(__file__).read_text())
    monkeypatch.syspath_prepend(str(folder))

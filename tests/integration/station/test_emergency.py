"""From a hard limit that is broken to the command that switches off, in a real process."""

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bem.domain.program import Program

if TYPE_CHECKING:
    from tests.integration.station.conftest import StationProcess

PERIOD_S = 0.1
TRIPS = 5


def test_a_hard_limit_switches_off_within_two_control_periods(
    make_station: "Callable[..., StationProcess]",
    charging: Program,
    wait_until: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    station = make_station()
    station.end(signal.SIGTERM)
    station.boot("spiking")
    wait_until(station.ready, "the station", timeout_s=30)
    spike = station.file.parent / "spike"
    took_s = []
    for trip in range(TRIPS):
        station.experiment = type(station.experiment)(int=trip + 1)
        assert station.start(charging).ok
        # At another phase of the period each time.
        time.sleep(0.3 + PERIOD_S * trip / TRIPS)
        assert station.state() == "running"
        began_ns = time.monotonic_ns()
        spike.touch()
        wait_until(lambda: station.state() == "fault", "the fault")
        took_s.append((_first_off_after(station, began_ns) - began_ns) / 1e9)
        spike.unlink()
        wait_until(lambda: station.command("acknowledge").ok, "the acknowledgement")
        wait_until(lambda: station.ask("live").body["values"]["voltage"] < 4.2, "a good reading")
    record_property("limit_to_off_command_s", max(took_s))
    assert max(took_s) <= 2 * PERIOD_S


def _first_off_after(station: "StationProcess", began_ns: int) -> int:
    said = [
        line.split()[-1] for line in station.errors.read_text().splitlines() if "told to" in line
    ]
    return min(int(at_ns) for at_ns in said if int(at_ns) >= began_ns)

"""A station says at its start what of its device is overdue for calibration."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.domain.calibration.test_reports import report

from bem.domain.calibration.report import Instrument
from bem.runtime.settings import Settings
from bem.station.calibration.store import CalibrationStore

if TYPE_CHECKING:
    from tests.integration.station.conftest import StationProcess

    Make = Callable[..., StationProcess]


def test_an_overdue_calibration_of_its_device_is_said_once(
    make_station: "Make", wait_until: Callable[..., None], tmp_path: Path
) -> None:
    old = report(made_at=datetime(2020, 1, 1, tzinfo=UTC), days=30)
    mine = Instrument(driver="virtual", make="BEM", model="virtual", serial="0")
    store = CalibrationStore(Settings(data_dir=tmp_path / "data").calibrations)
    store.keep(old)
    store.keep(old.model_copy(update={"device": mine}))
    station = make_station()
    wait_until(lambda: "due for calibration" in station.errors.read_text(), "the warning")
    passes = station.ask("live").body["measured_at"]
    wait_until(lambda: station.ask("live").body["measured_at"] > passes, "another pass")
    said = [line for line in station.errors.read_text().splitlines() if "due for" in line]
    assert len(said) == 1
    assert "the voltage of BEM virtual, serial number 0 was due for calibration on" in said[0]

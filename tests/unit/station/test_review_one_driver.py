"""Two definitions that name one device by mistake: only one station gets to drive it."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bem.runtime.settings import Settings
from bem.station.lock import DeviceLock
from bem.station.main import make_safe, run
from bem_drivers.registry import device_places


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    # Sockets need a short path; pytest's is too long.
    with tempfile.TemporaryDirectory(prefix="bem-") as runtime:
        yield Settings(data_dir=tmp_path, runtime_dir=Path(runtime))


def epc(device_id: int, interface: str = "socketcan", channel: str = "can0") -> dict[str, Any]:
    return {"bus": {"interface": interface, "channel": channel}, "device_id": device_id}


def test_a_device_that_another_station_drives_is_left_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings.station_files.mkdir(parents=True)
    definition = {"id": "two", "name": "Two", "power": {"driver": "epc", "settings": epc(0x13)}}
    settings.station_file("two").write_text(yaml.safe_dump(definition))
    (place,) = device_places("epc", epc(0x13))
    assert place is not None
    with DeviceLock(settings.data_dir / "devices", place):
        assert run(settings, "two") == 1
        assert "the device at socketcan:can0, EPC 0x13 is driven by process" in caplog.text
        assert make_safe(settings, "two") == 0, "whoever drives it is in charge of it"


def test_what_counts_as_one_device() -> None:
    assert device_places("epc", epc(0x13)) != device_places("epc", epc(0x14))
    assert device_places("epc", epc(0x13)) == device_places("epc", epc(0x13) | {"serial_number": 7})
    port = "/dev/ttyACM0"
    assert device_places("epc", epc(0x13, "slcan", port)) == device_places(
        "epc", epc(0x14, "slcan", port)
    ), "a serial port has one owner"
    assert device_places("virtual", {}) == ()

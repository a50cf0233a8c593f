"""A BMS through an SLCAN adapter on a real pseudo-terminal, in real time, pulled and put back."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bem_drivers.base import CommunicationLost, DeviceNotFound, SystemClock
from bem_drivers.bms import DRIVER
from bem_drivers.bms.driver import BmsDriver
from bem_drivers.bms.simulator import BmsUnit, BmsUnitSettings
from bem_drivers.can import Frame
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.simulation.slcan_port import SlcanPort

PERIOD_S = 0.05


class Adapter:
    """A simulated BMS behind an adapter, living in a thread until :meth:`pull`."""

    def __init__(self, link: Path) -> None:
        self.unit = BmsUnit(
            BmsUnitSettings(period_s=PERIOD_S),
            BatteryModel(BatteryModelSettings(cells=12)),
            time.monotonic_ns(),
        )
        self._port = SlcanPort(link)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def pull(self) -> None:
        self._end.set()
        self._thread.join()
        self._port.close()

    def _live(self) -> None:
        while not self._end.wait(0.002):
            self._port.read()
            # Another device talks on the same bus.
            self._port.write([Frame(0x13C, bytes(6))])
            frames = self.unit.advance(time.monotonic_ns())
            self._port.write(Frame(*frame) for frame in frames)


@pytest.fixture
def plug_in(tmp_path: Path) -> Iterator[Callable[[], Adapter]]:
    """Put an adapter into the port, again and again."""
    adapters: list[Adapter] = []

    def plug() -> Adapter:
        adapters.append(Adapter(tmp_path / "can"))
        return adapters[-1]

    yield plug
    for adapter in adapters:
        adapter.pull()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BmsDriver]:
    """Get a driver that looks for its BMS at the port."""
    settings = DRIVER.settings.model_validate(
        {
            "bus": {"interface": "slcan", "channel": str(tmp_path / "can")},
            "open_timeout_s": 2.0,
        }
    )
    driver = DRIVER.make(settings, SystemClock())
    assert isinstance(driver, BmsDriver)
    yield driver
    driver.close()


def test_it_comes_back_with_its_adapter(
    driver: BmsDriver, plug_in: Callable[[], Adapter], wait_until: Callable[..., None]
) -> None:
    with pytest.raises(DeviceNotFound, match="adapter plugged in"):
        driver.open()
    first = plug_in()
    driver.open()
    started_ns = time.monotonic_ns()
    wait_until(
        lambda: driver.read().values["stack_voltage"].at_ns > started_ns + 10 * PERIOD_S * 1e9,
        "ten messages",
    )
    first.pull()
    with pytest.raises(CommunicationLost):
        driver.read()
    driver.close()
    second = plug_in()
    second.unit.break_down("voltage 39.6", time.monotonic_ns())
    driver.open()
    assert driver.read().values["stack_voltage"].value == 39.6


def test_an_error_reaches_the_reading(
    driver: BmsDriver, plug_in: Callable[[], Adapter], wait_until: Callable[..., None]
) -> None:
    adapter = plug_in()
    driver.open()
    assert driver.read().faults == ()
    adapter.unit.break_down("error 0x08", time.monotonic_ns())
    wait_until(lambda: driver.read().faults == ("leakage",), "the error")
    adapter.unit.break_down("error off", time.monotonic_ns())
    wait_until(lambda: driver.read().faults == (), "its end")


def test_an_adapter_without_a_bms_is_told(
    driver: BmsDriver, plug_in: Callable[[], Adapter]
) -> None:
    plug_in().unit.break_down("silent on", time.monotonic_ns())
    with pytest.raises(DeviceNotFound, match="not a single frame of it came"):
        driver.open()

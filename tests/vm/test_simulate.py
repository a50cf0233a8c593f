"""``bem simulate`` with a bus of the kernel, started as a person does."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.vm.bench import write_bench
from tests.vm.interfaces import Interface, VirtualInterface

from bem_drivers.base import SystemClock
from bem_drivers.epc import DRIVER

COMMAND = (sys.executable, "-c", "from bem.cli import main; raise SystemExit(main())", "simulate")


def test_it_says_where_its_devices_are_and_a_driver_finds_them(
    vcan: VirtualInterface, tmp_path: Path
) -> None:
    path = write_bench(tmp_path, vcan, {"epc": {"driver": "epc"}}, {})
    with subprocess.Popen([*COMMAND, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"epc: epc at socketcan {vcan.name}\n"
        assert process.stdout.readline().startswith("ready")
        settings = DRIVER.settings.model_validate({"bus": vcan.bus})
        device = DRIVER.make(settings, SystemClock())
        device.open()
        assert 3.0 < device.read().values["voltage"].value < 4.3
        device.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_an_interface_that_is_not_there_is_told_with_a_remedy(tmp_path: Path) -> None:
    nowhere = Interface("no-such-can")
    path = write_bench(tmp_path, nowhere, {"epc": {"driver": "epc"}}, {})
    done = subprocess.run(
        [*COMMAND, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert f"socketcan {nowhere.name} cannot be had" in done.stderr
    assert "is the interface up" in done.stderr

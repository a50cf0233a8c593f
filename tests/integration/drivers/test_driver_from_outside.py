"""A driver that another package brings, from its installation to its use: tests/example_driver.

It is built and installed by pip into a folder of its own, as somebody else's package would be.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.registry import device_places, driver, driver_names, make_device
from bem_drivers.simulation.bench import make_bench

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "tests/example_driver"
START_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Get the folder into which the example was installed. Needs no network."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    alone = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    done = subprocess.run([*pip, *alone, str(EXAMPLE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Get the environment of a process that has the package."""
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture
def installed(folder: Path) -> Iterator[None]:
    """Have the package installed in this process."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "bem_thermo"]:
        del sys.modules[name]


def test_it_is_not_there_without_its_package() -> None:
    assert "thermo" not in driver_names()
    with pytest.raises(LookupError, match="no driver 'thermo'"):
        driver("thermo")


@pytest.mark.usefixtures("installed")
def test_it_is_found_and_made_by_its_name() -> None:
    settings = {"address": {"kind": "serial", "port": "/dev/none"}}
    assert "thermo" in driver_names()
    assert device_places("thermo", settings) == ("serial /dev/none",)
    with pytest.raises(DeviceNotFound, match="/dev/none"):
        make_device("thermo", settings).open()


def test_bem_drivers_lists_it_with_its_settings(environment: dict[str, str]) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "bem.cli", "drivers", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (thermo,) = (one for one in json.loads(listed.stdout) if one["name"] == "thermo")
    assert thermo["title"] == "Thermo TH2 thermometer with two probes"
    assert "serial_number" in thermo["settings"]["properties"]


@pytest.mark.usefixtures("installed")
def test_a_bench_may_have_it() -> None:
    described = yaml.safe_load((EXAMPLE / "bench.yaml").read_text())
    assert set(make_bench(described).simulators) == {"thermometer"}


@pytest.mark.usefixtures("installed")
def test_it_reads_its_simulator_over_a_port(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bem.cli", "simulate", str(EXAMPLE / "bench.yaml")]
    bench = subprocess.Popen(
        [*command, "--folder", str(tmp_path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert bench.stdin is not None
    assert bench.stdout is not None
    try:
        said = [bench.stdout.readline()]
        while said[-1] and not said[-1].startswith("ready"):
            said.append(bench.stdout.readline())
        assert f"thermometer: thermo at serial {tmp_path}/thermo-port\n" in said
        port = {"kind": "serial", "port": str(tmp_path / "thermo-port")}
        settings = {"address": port, "serial_number": "0042", "reply_timeout_s": 5.0}
        device = make_device("thermo", settings)
        device.open()
        values = device.read().values
        assert values["temperature_1"].value == pytest.approx(25.0, abs=0.1)
        assert time.monotonic_ns() - values["temperature_1"].at_ns < START_S * 1e9
        bench.stdin.write("thermometer probe 2 open\n")
        bench.stdin.flush()
        assert bench.stdout.readline() == "ok\n"
        assert device.read().faults == ("probe_2_open",)
    finally:
        bench.send_signal(signal.SIGTERM)
        status = bench.wait(START_S)
        bench.stdin.close()
        bench.stdout.close()
    assert status == 0
    with pytest.raises(CommunicationLost):
        device.read()
    device.close()


def test_it_does_what_every_device_does(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout

"""Tests over SocketCAN, which many a kernel has not: ``bin/lab vm`` boots one that has it.

They make and remove network interfaces, as root.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import tests.unit.drivers.conftest  # noqa: F401 - must come before the conformance tests
from tests.vm.bench import CanBench
from tests.vm.interfaces import Controller, Interface, VirtualInterface

NEEDS = "needs a machine with CAN interfaces: sudo bin/lab vm"
_HERE = Path(__file__).parent
_NUMBERS = itertools.count()

PutUp = Callable[..., CanBench]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE not in item.path.parents:
            continue
        if "BEM_VM" not in os.environ:
            item.add_marker(pytest.mark.skip(reason=NEEDS))


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition with a deadline: ``wait_until(lambda: ..., "what", timeout_s=10)``."""

    def wait(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s:g} s in vain for {what}")
            time.sleep(0.01)

    return wait


@pytest.fixture
def vcan() -> Iterator[VirtualInterface]:
    """Get a bus of the kernel that nobody else is on."""
    interface = VirtualInterface(f"vcan{next(_NUMBERS)}")
    yield interface
    interface.pull()


@pytest.fixture
def controllers() -> Iterator[tuple[Controller, Controller]]:
    """Get two CAN controllers on one cable, 125 kbit/s."""
    both = Controller("can0"), Controller("can1")
    yield both
    for one in both:
        one.down()


@pytest.fixture
def put_up(tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[PutUp]:
    """Get a maker of benches: interface, devices by name, batteries as keywords."""
    benches: list[CanBench] = []

    def put_up(
        interface: Interface,
        devices: Mapping[str, Mapping[str, object]],
        **batteries: Mapping[str, object],
    ) -> CanBench:
        folder = tmp_path / f"bench-{len(benches)}"
        bench = CanBench(folder, interface, devices, wait_until, **batteries)
        benches.append(bench)
        return bench

    yield put_up
    for bench in benches:
        bench.end()

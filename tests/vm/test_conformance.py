"""The conformance tests of the drivers on CAN, with every frame on a bus of the kernel."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance import (
    DeviceConformance,
    Maker,
    PowerConformance,
    PowerWireConformance,
    WireConformance,
)
from tests.unit.drivers.conformance_bench import Bench
from tests.unit.drivers.makers import MAKERS
from tests.vm.interfaces import VirtualInterface
from tests.vm.kernel_link import KernelLink

from bem_drivers.base import Device
from bem_drivers.bms.driver import BmsDriver
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.simulation.frame_orders import FaultyFrames

ON_CAN: dict[str, tuple[Callable[..., Device], list[tuple[int, int]]]] = {
    "epc": (EpcDriver, [(0x130, 0x7F0)]),
    "bms": (BmsDriver, [(0x101, 0x7FF)]),
}
"""Drivers by name, and what theirs is on the bus."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def on_the_bus() -> Iterator[Callable[[Maker], Maker]]:
    """Get what puts a maker's devices on buses of the kernel, each on one of its own."""
    ends: list[tuple[KernelLink, VirtualInterface]] = []

    def over(maker: Maker) -> Maker:
        make, filters = ON_CAN[maker.name]

        def put_up(clock: ManualClock, number: int, changes: Mapping[str, object]) -> Bench:
            bench = maker.put_up(clock, number, changes)
            (unit,) = bench.units
            assert isinstance(unit, FaultyFrames)
            vcan = VirtualInterface(f"vcan-{maker.name}-{len(ends)}")
            link = KernelLink(vcan, filters, unit, clock)
            ends.append((link, vcan))
            settings: Any = maker.spec.settings.model_validate({**maker.settings, **changes})

            def made() -> Device:
                return make(settings, clock, link)

            return replace(bench, device=made(), make=made, links=(link,))

        return replace(maker, put_up=put_up)

    yield over
    for link, vcan in ends:
        link.unplugged = False
        link.end()
        vcan.pull()


class _OverTheKernel:
    @pytest.fixture(params=[maker for maker in MAKERS if maker.name in ON_CAN], ids=str)
    def maker(self, request: pytest.FixtureRequest, on_the_bus: Callable[[Maker], Maker]) -> Maker:
        return on_the_bus(request.param)


class _PowerOverTheKernel:
    @pytest.fixture(
        params=[maker for maker in MAKERS if maker.name in ON_CAN and maker.power], ids=str
    )
    def maker(self, request: pytest.FixtureRequest, on_the_bus: Callable[[Maker], Maker]) -> Maker:
        return on_the_bus(request.param)


class TestDevicesOnCan(_OverTheKernel, DeviceConformance):
    """BMS and EPC."""


class TestWiresOnCan(_OverTheKernel, WireConformance):
    """BMS and EPC."""


class TestPowerOnCan(_PowerOverTheKernel, PowerConformance):
    """EPC."""


class TestPowerWiresOnCan(_PowerOverTheKernel, PowerWireConformance):
    """EPC."""

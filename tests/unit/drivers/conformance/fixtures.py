"""What the tests of all classes start from."""

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance.maker import PROTECTION, Maker, Power
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import Command, Mode, PowerDevice


class Conformance:
    """A clock that the test turns, and an opened device."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def maker(self) -> Maker:
        raise AssertionError("a class that inherits this one says which drivers it is about")

    @pytest.fixture
    def bench(self, maker: Maker, clock: ManualClock) -> Bench:
        """Get an opened device."""
        return maker.opened(clock)


class OnPower(Conformance):
    """A power device that holds its bounds."""

    @pytest.fixture
    def device(self, bench: Bench) -> PowerDevice:
        """Get a device that holds ``PROTECTION``."""
        device = bench.power_device
        device.protect(PROTECTION)
        device.keep_alive()
        return device

    @pytest.fixture
    def power(self, maker: Maker) -> Power:
        assert maker.power is not None
        return maker.power

    @pytest.fixture
    def runs(self, power: Power) -> Command:
        """Get a command that makes current flow."""
        return Command(Mode.CC, 1.0 if power.charges else -1.0)

"""What every device does."""

import pytest
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance.fixtures import Conformance
from tests.unit.drivers.conformance.maker import CLOSE, Maker
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import CommunicationLost, Device, PowerDevice


class DeviceConformance(Conformance):
    """Every device: who it is, what it reads, and that it can be opened and closed at will."""

    def test_making_it_touches_nothing(self, maker: Maker, clock: ManualClock) -> None:
        settings = maker.spec.settings.model_validate(maker.settings)
        device = maker.spec.make(settings, clock)
        assert isinstance(device, Device)
        assert isinstance(device, PowerDevice) == (maker.power is not None)
        device.close()

    def test_settings_that_it_does_not_know_are_refused(self, maker: Maker) -> None:
        with pytest.raises(ValidationError, match="no_such_setting"):
            maker.spec.settings.model_validate({**maker.settings, "no_such_setting": 1})
        assert maker.spec.settings.model_json_schema()["properties"]

    def test_it_says_who_it_is(self, maker: Maker, bench: Bench) -> None:
        told, expected = bench.device.identity, maker.identities[0]
        assert (told.make, told.model, told.serial) == (
            expected.make,
            expected.model,
            expected.serial,
        )

    def test_its_channels_are_named_and_have_units(self, bench: Bench) -> None:
        names = [channel.name for channel in bench.device.channels]
        assert names
        assert len(set(names)) == len(names)
        for channel in bench.device.channels:
            assert channel.name.isidentifier()
            assert channel.name.islower()
            assert channel.unit
            assert channel.title

    def test_it_reads_every_channel_fresh_and_true(self, maker: Maker, bench: Bench) -> None:
        for _ in range(3):
            bench.a_pass()
            reading = bench.device.read()
            maker.check(bench, reading)
            assert reading.faults == ()

    def test_it_opens_and_closes_again_and_again(self, maker: Maker, clock: ManualClock) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.device.close()
        for _ in range(3):
            bench.device.open()
            maker.check(bench, bench.device.read())
            bench.device.close()
            bench.device.close()

    def test_it_is_not_read_while_it_is_closed(self, bench: Bench) -> None:
        bench.device.close()
        with pytest.raises(CommunicationLost):
            bench.device.read()

    def test_two_at_once_do_not_mix(self, maker: Maker, clock: ManualClock) -> None:
        both = maker.opened(clock, 0), maker.opened(clock, 1)
        for _ in range(3):
            for bench, identity in zip(both, maker.identities, strict=True):
                bench.a_pass()
                maker.check(bench, bench.device.read())
                assert bench.device.identity.serial == identity.serial
        assert maker.truth(both[0]) != pytest.approx(maker.truth(both[1]), abs=CLOSE)
        both[0].device.close()
        both[1].a_pass()
        maker.check(both[1], both[1].device.read())

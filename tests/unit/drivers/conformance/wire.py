"""What every device at the far end of a wire does."""

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance.fixtures import Conformance
from tests.unit.drivers.conformance.maker import LONGEST_OPEN_S, SPOILT, TRIES, Maker
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import (
    CommunicationLost,
    DeviceError,
    DeviceNotFound,
    ProtocolViolated,
    WrongDevice,
)
from bem_drivers.finding.probe import LineProbe
from bem_drivers.simulation import Faulty


class WireConformance(Conformance):
    """Every device at the far end of a wire: what becomes of it when the wire is bad or gone."""

    def test_it_has_a_place_of_its_own(self, maker: Maker) -> None:
        settings = maker.spec.settings.model_validate(maker.settings)
        assert maker.spec.places(settings)
        assert all(maker.spec.places(settings))

    def test_another_unit_than_named_is_refused(self, maker: Maker, clock: ManualClock) -> None:
        if maker.stranger is None:
            assert maker.identities[0].serial == "", "it tells a serial number: name another"
            return
        bench = maker.put_up(clock, 0, maker.stranger)
        with pytest.raises(WrongDevice, match=maker.identities[0].serial):
            bench.device.open()
        with pytest.raises(CommunicationLost):
            bench.device.read()

    def test_nobody_there_is_told_in_time(self, maker: Maker, clock: ManualClock) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.order(maker.silent[0])
        began_ns = clock.now_ns
        with pytest.raises(DeviceNotFound):
            bench.device.open()
        assert (clock.now_ns - began_ns) / 1e9 < LONGEST_OPEN_S
        bench.order(maker.silent[1])
        bench.device.open()
        maker.check(bench, bench.device.read())

    def test_no_wire_is_told(self, maker: Maker, clock: ManualClock) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.unplug()
        with pytest.raises(DeviceNotFound):
            bench.device.open()
        bench.device.close()
        bench.plug()
        bench.device.open()
        maker.check(bench, bench.device.read())

    def test_it_is_lost_when_unplugged_and_found_again(self, maker: Maker, bench: Bench) -> None:
        bench.device.read()
        bench.unplug()
        for _ in range(2):
            with pytest.raises(CommunicationLost):
                bench.device.read()
            bench.clock.sleep(0.1)
        bench.device.close()
        with pytest.raises(DeviceNotFound):
            bench.device.open()
        bench.plug()
        bench.device.open()
        maker.check(bench, bench.device.read())

    def test_silence_is_told_and_ends(self, maker: Maker, bench: Bench) -> None:
        bench.order(maker.silent[0])
        began_ns = bench.clock.now_ns
        while (bench.clock.now_ns - began_ns) / 1e9 < LONGEST_OPEN_S:
            bench.clock.sleep(0.1)
            try:
                bench.device.read()
            except CommunicationLost:
                break
        else:
            pytest.fail("it reads on although its device says nothing")
        bench.order(maker.silent[1])
        maker.comes_back(bench)

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_spoilt_answer_is_no_value(self, maker: Maker, bench: Bench, kind: str) -> None:
        bench.spoil(maker.spoilt[kind])
        for _ in range(TRIES):
            bench.a_pass()
            try:
                reading = bench.device.read()
            except DeviceError:
                continue
            maker.check(bench, reading)
        bench.mend()
        maker.comes_back(bench)

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_spoilt_answer_makes_no_other_device(
        self, maker: Maker, clock: ManualClock, kind: str
    ) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.spoil(maker.spoilt[kind])
        try:
            bench.device.open()
        except DeviceError:
            bench.mend()
            clock.sleep(2.0)
            bench.device.open()
        bench.mend()
        assert bench.device.identity.serial == maker.identities[0].serial
        maker.comes_back(bench)

    def test_numbers_with_sign_and_exponent(self, maker: Maker, clock: ManualClock) -> None:
        assert maker.said, "give its maker negative and exponent numbers, or that it refuses them"
        for said in maker.said:
            bench = maker.opened(clock)
            for order in said.orders:
                bench.order(order)
            if said.orders:
                # What is measured takes its time to come round.
                for _ in range(20):
                    bench.a_pass()
                    bench.device.read()
            if not said.values:
                bench.say(*said.answers)
                with pytest.raises(ProtocolViolated):
                    bench.device.read()
                continue
            bench.say(*said.answers)
            values = bench.device.read().values
            assert {name: values[name].value for name in said.values} == pytest.approx(
                dict(said.values)
            )

    def test_a_search_recognises_it(self, maker: Maker, bench: Bench) -> None:
        probe = None if maker.spec.probe is None else maker.spec.probe()
        unit = bench.units[0]
        if not isinstance(probe, LineProbe) or not isinstance(unit, Faulty):
            # It is not searched for by a line of text.
            return
        identity = probe.identify(unit.receive(probe.question, bench.clock.now_ns)[-1])
        assert identity.serial == maker.identities[0].serial
        with pytest.raises(DeviceError):
            probe.identify("hello")

    def test_its_simulator_knows_its_orders_and_no_other(self, bench: Bench) -> None:
        for unit in bench.units:
            with pytest.raises(ValueError, match="no_such_order"):
                unit.break_down("no_such_order", bench.clock.now_ns)

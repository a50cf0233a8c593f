"""What every device with a power path at the far end of a wire does."""

import pytest
from tests.unit.drivers.conformance.fixtures import OnPower
from tests.unit.drivers.conformance.maker import CLOSE, PROTECTION, SPOILT, TRIES, Maker, Power
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    DeviceError,
    DeviceNotFound,
    PowerDevice,
)


class PowerWireConformance(OnPower):
    """Every power device at the far end of a wire, which can break in the middle of a run."""

    def test_unplugged_in_mid_run_and_plugged_in_again(
        self, bench: Bench, device: PowerDevice, power: Power, runs: Command
    ) -> None:
        device.apply(runs)
        bench.unplug()
        with pytest.raises(CommunicationLost):
            device.read()
        with pytest.raises(CommunicationLost):
            device.make_safe()
        with pytest.raises(DeviceError):
            device.apply(runs)
        bench.clock.sleep(2.0)
        bench.live()
        # Only its own watchdog can help then.
        assert (bench.current == 0.0) == power.silence
        device.close()
        with pytest.raises(DeviceNotFound):
            device.open()
        bench.plug()
        device.open()
        assert bench.current == 0.0
        assert device.read().active == OFF
        device.protect(PROTECTION)
        device.keep_alive()
        device.apply(runs)
        assert device.read().active == runs
        assert bench.current == pytest.approx(runs.setpoint, abs=0.01)

    def test_a_successor_takes_over_what_was_left_on(
        self, bench: Bench, device: PowerDevice, runs: Command
    ) -> None:
        device.apply(runs)
        successor = bench.successor()
        successor.open()
        assert successor.read().active == OFF
        assert bench.current == 0.0

    def test_closing_leaves_nothing_on_that_nobody_watches(
        self, bench: Bench, device: PowerDevice, power: Power, runs: Command
    ) -> None:
        device.apply(runs)
        device.close()
        bench.clock.sleep(1.0 if power.silence else 0.0)
        bench.live()
        assert bench.current == 0.0

    @pytest.mark.parametrize("kind", SPOILT)
    def test_spoilt_answers_do_not_keep_it_on(
        self, maker: Maker, bench: Bench, device: PowerDevice, runs: Command, kind: str
    ) -> None:
        device.apply(runs)
        bench.spoil(maker.spoilt[kind])
        try:
            device.make_safe()
        except DeviceError:
            bench.mend()
            for _ in range(TRIES):
                bench.a_pass()
                try:
                    device.make_safe()
                    break
                except DeviceError:
                    continue
        bench.live()
        assert bench.current == 0.0
        bench.mend()
        assert maker.comes_back(bench).active == OFF

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_run_survives_a_spoilt_answer(
        self,
        maker: Maker,
        bench: Bench,
        device: PowerDevice,
        power: Power,
        runs: Command,
        kind: str,
    ) -> None:
        device.apply(runs)
        bench.spoil(maker.spoilt[kind])
        for _ in range(TRIES):
            bench.a_pass()
            try:
                reading = device.read()
            except DeviceError:
                continue
            maker.check(bench, reading)
        bench.mend()
        # Waiting for answers, the loop may have been slower than its watchdog is patient.
        active = maker.comes_back(bench).active
        assert active == runs or (active == OFF and power.silence)
        assert bench.current == pytest.approx(0.0 if active == OFF else runs.setpoint, abs=CLOSE)

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_command_with_a_spoilt_answer_is_done_or_told(
        self, maker: Maker, bench: Bench, device: PowerDevice, runs: Command, kind: str
    ) -> None:
        bench.spoil(maker.spoilt[kind])
        try:
            device.apply(runs)
        except DeviceError:
            bench.mend()
            bench.a_pass()
            device.make_safe()
            assert bench.current == 0.0
        else:
            bench.mend()
            assert bench.current == pytest.approx(runs.setpoint, abs=0.01)
            assert maker.comes_back(bench).active == runs

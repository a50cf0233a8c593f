"""What every simulator of a device does alike: the faults that each of them knows.

:class:`SimulatorConformance` is for devices at the far end of a wire; a test class inherits it and
gives a fixture ``maker``.
"""

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance.maker import CLOSE, Maker
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import DeviceError

COMMON = ("frozen on", "noise 0", "drift 0", "drop 0", "double 0", "half 0", "garbage 0", "late 0")
WIDE = {"flow": 200.0}
"""A noise that the coarsest resolution shows, where it is not 0.1 V, A and degC."""
READINGS = 20
HOUR_S = 3600.0


def readings(bench: Bench, count: int = READINGS) -> list[dict[str, float]]:
    """Get what the driver reads in so many passes."""
    read = []
    for _ in range(count):
        bench.a_pass()
        read.append({name: one.value for name, one in bench.device.read().values.items()})
    return read


class SimulatorConformance:
    """Every simulator of a device on a wire: noise, drift and the other faults of all."""

    @pytest.fixture
    def maker(self) -> Maker:
        raise AssertionError("a class that inherits this one says which drivers it is about")

    @pytest.mark.parametrize("order", [*COMMON, "wrong 00"])
    def test_it_knows_the_common_faults(self, maker: Maker, order: str) -> None:
        bench = maker.opened(ManualClock())
        bench.order(order)

    def test_what_it_does_not_know_is_told_with_what_there_is(self, maker: Maker) -> None:
        bench = maker.opened(ManualClock())
        for order in ("fire on", "noise fire 1", "drift much", "noise", "noise -1"):
            with pytest.raises(ValueError, match=r"noise|drift"):
                bench.spoil(order)

    def test_noise_repeats_and_the_truth_stands_still(self, maker: Maker) -> None:
        def noisy() -> list[dict[str, float]]:
            bench = maker.opened(ManualClock())
            truth = maker.truth(bench)
            bench.order(f"noise {WIDE.get(maker.name, 0.1)}")
            read = readings(bench)
            assert maker.truth(bench) == pytest.approx(truth, abs=1e-6)
            return read

        read = noisy()
        assert read == noisy()
        for name in maker.truth(maker.opened(ManualClock())):
            assert len({one[name] for one in read}) > READINGS / 4, name

    def test_noise_off_is_quiet_again(self, maker: Maker) -> None:
        bench = maker.opened(ManualClock())
        bench.order(f"noise {WIDE.get(maker.name, 0.1)}")
        readings(bench, 3)
        bench.order("noise off")
        # What was measured before the order may come once more.
        readings(bench, 3)
        maker.check(bench, bench.device.read())

    def test_drift_moves_what_is_read_and_not_what_is(self, maker: Maker) -> None:
        bench = maker.opened(ManualClock())
        truth = maker.truth(bench)
        wide = WIDE.get(maker.name, 0.1)
        bench.order(f"drift {wide * HOUR_S}")
        first, *_, last = readings(bench, 21)
        assert maker.truth(bench) == pytest.approx(truth, abs=1e-6)
        for name in truth:
            moved = (last[name] - first[name]) * (1000 if maker.name == "flow" else 1)
            # 2 s at ``wide`` a second, seen by what measures once a message or a cycle; what is
            # the sum of two devices drifts twice.
            assert 0.7 * 2 * wide < moved < 1.3 * 2 * wide * len(bench.units), name
        bench.order("drift off")
        readings(bench, 3)
        maker.check(bench, bench.device.read())

    def test_frozen_values_stay_though_they_drift(self, maker: Maker) -> None:
        bench = maker.opened(ManualClock())
        before = readings(bench, 1)[0]
        bench.order("frozen on")
        bench.order(f"drift {WIDE.get(maker.name, 0.1) * HOUR_S}")
        after = readings(bench, 10)[-1]
        for name in maker.truth(bench):
            assert after[name] == pytest.approx(before[name], abs=CLOSE), name

    def test_lost_answers_are_errors_and_it_comes_back(self, maker: Maker) -> None:
        bench = maker.opened(ManualClock())
        bench.order("drop 100")
        with pytest.raises(DeviceError):
            readings(bench, 40)
        bench.order("drop 0")
        maker.comes_back(bench)

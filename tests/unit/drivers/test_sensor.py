"""What simulated sensors show of what is true."""

from statistics import fmean, stdev

import pytest
from pydantic import ValidationError

from bem_drivers.simulation.sensor import Sensor, SensorSettings

HOUR = 3_600_000_000_000


def test_a_perfect_sensor_shows_the_truth() -> None:
    assert Sensor(SensorSettings()).read(3.7, 0) == 3.7


def test_gain_and_offset_are_those_of_a_calibration() -> None:
    assert Sensor(SensorSettings(gain=1.01, offset=-0.02)).read(2.0, 0) == pytest.approx(2.0)


def test_noise_is_as_wide_as_set_and_comes_again_with_its_seed() -> None:
    one, again = (Sensor(SensorSettings(noise=0.01, seed=7)) for _ in range(2))
    shown = [one.read(1.0, 0) for _ in range(2000)]
    assert shown == [again.read(1.0, 0) for _ in range(2000)]
    assert fmean(shown) == pytest.approx(1.0, abs=0.001)
    assert stdev(shown) == pytest.approx(0.01, rel=0.1)
    other = Sensor(SensorSettings(noise=0.01, seed=8))
    assert shown[0] != other.read(1.0, 0)


def test_drift_grows_from_when_it_began_and_can_be_ended() -> None:
    sensor = Sensor(SensorSettings())
    sensor.drift(0.5, HOUR)
    assert sensor.read(3.0, HOUR) == 3.0
    assert sensor.read(3.0, 3 * HOUR) == pytest.approx(4.0)
    sensor.drift(0.0, 3 * HOUR)
    assert sensor.read(3.0, 4 * HOUR) == 3.0


@pytest.mark.parametrize("wrong", [{"noise": -1}, {"gain": 0}, {"offset": float("nan")}])
def test_a_sensor_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SensorSettings.model_validate(wrong)

"""What simulated sensors show of what is true."""

from statistics import fmean, stdev

import pytest
from pydantic import ValidationError

from bem_drivers.simulation.sensor import Sensor, Sensors, SensorSettings

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


def two(**settings: SensorSettings) -> Sensors[str]:
    return Sensors(("voltage", "current"), settings)


def test_sensors_left_out_are_perfect_and_the_others_as_set() -> None:
    sensors = two(current=SensorSettings(offset=0.5))
    assert sensors.read("voltage", 3.7, 0) == 3.7
    assert sensors.read("current", 1.0, 0) == 1.5


def test_quantities_with_the_same_seed_have_each_their_own_noise() -> None:
    sensors = two(voltage=SensorSettings(noise=1.0), current=SensorSettings(noise=1.0))
    assert sensors.read("voltage", 0.0, 0) != sensors.read("current", 0.0, 0)


def test_an_order_is_for_the_quantity_it_names_and_else_for_all() -> None:
    sensors = two()
    sensors.obey("drift current 2", 0)
    assert (sensors.read("voltage", 1.0, HOUR), sensors.read("current", 1.0, HOUR)) == (1.0, 3.0)
    sensors.obey("drift 1", HOUR)
    assert (sensors.read("voltage", 1.0, 2 * HOUR), sensors.read("current", 1.0, 2 * HOUR)) == (
        2.0,
        2.0,
    )
    sensors.obey("drift off", 2 * HOUR)
    assert sensors.read("voltage", 1.0, 3 * HOUR) == sensors.read("current", 1.0, 3 * HOUR) == 1.0


def test_noise_off_is_the_noise_of_the_settings() -> None:
    def read(*orders: str) -> list[float]:
        sensors = two(voltage=SensorSettings(noise=0.1, seed=3))
        for order in orders:
            sensors.obey(order, 0)
        return [sensors.read("voltage", 1.0, 0) for _ in range(3)]

    assert read("noise voltage 5", "noise off") == read()
    assert read("noise 0") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("noise", "takes a number or 'off', not ''"),
        ("noise loud", "takes a number or 'off', not 'loud'"),
        ("noise -1", "from 0 on"),
        ("drift inf", "takes a number"),
        ("drift heat 1", r"drift \[QUANTITY\] NUMBER\|off, of voltage, current"),
        ("drift voltage current 1", r"of voltage, current"),
    ],
)
def test_what_is_no_order_is_told(order: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        two().obey(order, 0)

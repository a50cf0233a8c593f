"""A lithium cell and a station, as most of these tests need them."""

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.limits import Limits


@pytest.fixture(scope="session")
def battery() -> BatterySpec:
    return BatterySpec(
        name="X",
        technology=Technology.LITHIUM,
        capacity=2.5,
        limits=Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=5),
    )


@pytest.fixture(scope="session")
def station() -> StationSpec:
    return StationSpec(
        name="S",
        limits=Limits(
            voltage_min=0,
            voltage_max=6,
            current_min=-15,
            current_max=15,
            power_min=-60,
            power_max=60,
        ),
    )

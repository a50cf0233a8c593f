"""A lithium cell, and profiles compiled for it."""

from collections.abc import Callable

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.text import parse_profile
from bem.domain.program import Program
from bem.dryrun import model_of
from bem_drivers.model import BatteryModelSettings

LIMITS = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-10, current_max=10)
CAPACITY = 2.5

Compile = Callable[[str], Program]


@pytest.fixture
def cell() -> BatteryModelSettings:
    """2.5 Ah, NMC; its state of charge is left to the dry run."""
    return model_of(
        technology=Technology.LITHIUM, chemistry="nmc", capacity=CAPACITY, cells=1, limits=LIMITS
    )


@pytest.fixture
def compiled() -> Compile:
    """Compile a text for the cell."""
    battery = BatterySpec(
        name="cell", technology=Technology.LITHIUM, capacity=CAPACITY, limits=LIMITS
    )
    station = StationSpec(name="station", limits=LIMITS)
    return lambda text: compile_profile(parse_profile(text), battery, station)

"""Every driver of this project on its simulator: what a station relies on, of all of them alike.

What is tested is in ``conformance/``, what each device can do in ``makers.py``.
"""

import tomllib
from pathlib import Path

import pytest
from tests.unit.drivers.conformance import (
    DeviceConformance,
    Maker,
    PowerConformance,
    PowerWireConformance,
    SimulatorConformance,
    WireConformance,
)
from tests.unit.drivers.makers import MAKERS

from bem_drivers.registry import GROUP, DriverSpec

ROOT = Path(__file__).parents[3]
ANNOUNCED: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "entry-points"
][GROUP]


def test_every_driver_of_this_project_has_a_maker() -> None:
    assert {maker.spec.name for maker in MAKERS} == set(ANNOUNCED)


@pytest.mark.parametrize("name", sorted(ANNOUNCED))
def test_every_driver_is_announced_by_its_name(name: str) -> None:
    spec = next(maker.spec for maker in MAKERS if maker.spec.name == name)
    module, _, attribute = ANNOUNCED[name].partition(":")
    announced = getattr(__import__(module, fromlist=[attribute]), attribute)
    assert isinstance(announced, DriverSpec)
    assert announced is spec


class TestEveryDevice(DeviceConformance):
    @pytest.fixture(params=MAKERS, ids=str)
    def maker(self, request: pytest.FixtureRequest) -> Maker:
        maker: Maker = request.param
        return maker


class TestEveryDeviceOnAWire(WireConformance):
    @pytest.fixture(params=[maker for maker in MAKERS if maker.spoilt], ids=str)
    def maker(self, request: pytest.FixtureRequest) -> Maker:
        maker: Maker = request.param
        return maker


class TestEveryPowerDevice(PowerConformance):
    @pytest.fixture(params=[maker for maker in MAKERS if maker.power], ids=str)
    def maker(self, request: pytest.FixtureRequest) -> Maker:
        maker: Maker = request.param
        return maker


class TestEveryPowerDeviceOnAWire(PowerWireConformance):
    @pytest.fixture(params=[maker for maker in MAKERS if maker.power and maker.spoilt], ids=str)
    def maker(self, request: pytest.FixtureRequest) -> Maker:
        maker: Maker = request.param
        return maker


class TestEverySimulator(SimulatorConformance):
    @pytest.fixture(params=[maker for maker in MAKERS if maker.spoilt], ids=str)
    def maker(self, request: pytest.FixtureRequest) -> Maker:
        maker: Maker = request.param
        return maker

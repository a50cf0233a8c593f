"""Every example of the handbook's page on profiles runs."""

import re
from pathlib import Path

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.text import parse_profile

PAGE = Path(__file__).parents[4] / "docs" / "profiles.md"
EXAMPLES = re.findall(r"^```profile\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

CELL = BatterySpec(
    name="cell",
    technology=Technology.LITHIUM,
    capacity=2.5,
    limits=Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=5),
)
STATION = StationSpec(
    name="station",
    limits=Limits(voltage_min=0.4, voltage_max=5.1, current_min=-15.5, current_max=15.5),
)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_example_compiles_for_a_lithium_cell(text: str) -> None:
    assert compile_profile(parse_profile(text), CELL, STATION).steps

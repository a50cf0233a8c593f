"""Every example of the handbook's page on profiles runs."""

import re
from pathlib import Path

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import check_text, compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.document import from_yaml, to_yaml
from bem.domain.profile.printing import print_profile
from bem.domain.profile.text import parse_profile

PAGE = Path(__file__).parents[4] / "docs" / "profiles.md"
EXAMPLES = re.findall(
    r"^```profile ?([a-z-]*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)

BATTERIES = {
    "": BatterySpec(
        name="cell",
        technology=Technology.LITHIUM,
        capacity=2.5,
        limits=Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=5),
    ),
    "lead-acid": BatterySpec(
        name="block",
        technology=Technology.LEAD_ACID,
        capacity=7,
        limits=Limits(voltage_min=10.5, voltage_max=14.4, current_min=-7, current_max=2.1),
    ),
    "redox-flow": BatterySpec(
        name="stack",
        technology=Technology.REDOX_STACK,
        limits=Limits(voltage_min=20, voltage_max=32, current_min=-40, current_max=40),
    ),
}
STATION = StationSpec(
    name="station",
    limits=Limits(voltage_min=0.4, voltage_max=60, current_min=-50, current_max=50),
)


def test_the_page_has_examples_of_what_laboratories_do() -> None:
    assert {kind for kind, _ in EXAMPLES} == set(BATTERIES)
    names = {parse_profile(text).name for _, text in EXAMPLES}
    assert {"Formation", "Cycle life to 80 %", "HPPC", "Rate capability", "GITT"} < names
    assert {"Drive cycle", "Charge in three stages", "Redox-flow cycles"} < names


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_the_example_compiles_for_its_battery(kind: str, text: str) -> None:
    battery = BATTERIES[kind]
    assert check_text(text, battery, STATION) == []
    assert compile_profile(parse_profile(text), battery, STATION).steps


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES])
def test_the_example_is_the_same_as_a_document_and_printed(text: str) -> None:
    profile = parse_profile(text)
    assert from_yaml(to_yaml(profile)) == profile
    assert parse_profile(print_profile(profile)) == profile

"""The settings that the handbook and the driver pages show are settings that the drivers take."""

import re
from pathlib import Path

import pytest
import yaml

from bem_drivers.registry import make_device

ROOT = Path(__file__).parents[3]
PAGES = (
    ROOT / "docs/devices/README.md",
    ROOT / "docs/devices/epc.md",
    ROOT / "drivers/bem_drivers/epc/README.md",
)
EXAMPLES = [
    example
    for page in PAGES
    for example in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
]


def test_every_page_has_an_example() -> None:
    assert len(EXAMPLES) >= len(PAGES)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_example_makes_a_device(text: str) -> None:
    example = yaml.safe_load(text)
    power = example.get("power", example)
    assert make_device(power["driver"], power["settings"])

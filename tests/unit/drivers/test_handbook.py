"""What the handbook shows of drivers is so: settings that they take, and the example's own code."""

import re
from pathlib import Path

import pytest
import yaml

from bem_drivers.base import PowerDevice
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
    for meter in example.get("meters", ()):
        made = make_device(meter["driver"], meter["settings"])
        assert not isinstance(made, PowerDevice)
        has = {channel.name for channel in made.channels}
        assert has.issuperset(meter["channels"])


EXAMPLE = ROOT / "tests/example_driver"
SHOWN = re.findall(
    r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$",
    (ROOT / "docs/devices/write-a-driver.md").read_text(),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("path", "code"), SHOWN, ids=[path for path, _ in SHOWN])
def test_the_page_about_writing_a_driver_shows_the_example_as_it_is(path: str, code: str) -> None:
    assert code == (EXAMPLE / path).read_text()


def test_the_page_about_writing_a_driver_shows_the_whole_example() -> None:
    files = [
        path.relative_to(EXAMPLE).as_posix()
        for suffix in ("*.py", "*.toml", "*.yaml")
        for path in EXAMPLE.rglob(suffix)
    ]
    assert sorted(path for path, _ in SHOWN) == sorted(files)

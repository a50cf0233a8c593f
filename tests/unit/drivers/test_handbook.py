"""What the handbook shows of drivers is so: settings that they take, their modules, the example."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from bem_drivers.base import PowerDevice
from bem_drivers.registry import make_device

ROOT = Path(__file__).parents[3]
NO_DRIVERS_PAGES = ("bench.md", "write-a-driver.md")
PAGES = [
    page
    for page in sorted((ROOT / "docs/devices").glob("*.md"))
    if page.name not in NO_DRIVERS_PAGES
]
READMES = sorted((ROOT / "drivers/bem_drivers").glob("*/README.md"))


def examples(page: Path) -> list[str]:
    """The text of each block of YAML on a page."""
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [dedent(block) for block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_has_an_example(page: Path) -> None:
    assert examples(page)


@pytest.mark.parametrize("text", [one for page in PAGES + READMES for one in examples(page)])
def test_the_example_makes_a_device(text: str) -> None:
    example = yaml.safe_load(text)
    power = example.get("power", example)
    described = make_device(power["driver"], power["settings"])
    assert described.channels
    assert isinstance(described, PowerDevice) or "power" not in example
    for meter in example.get("meters", ()):
        made = make_device(meter["driver"], meter["settings"])
        assert not isinstance(made, PowerDevice)
        has = {channel.name for channel in made.channels}
        assert has.issuperset(meter["channels"])


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.parent.name)
def test_the_table_of_a_package_has_its_modules_and_no_others(page: Path) -> None:
    rows = re.findall(r"^\| (`\w+\.py`.*?) \|", page.read_text(), re.MULTILINE)
    named = re.findall(r"`(\w+\.py)`", " ".join(rows))
    modules = [path.name for path in page.parent.glob("*.py") if path.name != "__init__.py"]
    assert sorted(named) == sorted(modules)


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

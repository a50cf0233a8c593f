"""What holds for every role: documented, typed, with defaults that the specification repeats."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in Path("roles").iterdir() if path.is_dir())


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return content


@pytest.fixture(params=ROLES, ids=lambda role: str(role.name))
def role(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def options(role: Path) -> dict[str, Any]:
    entry = read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    found: dict[str, Any] = entry.get("options", {})
    return found


def test_is_documented(role: Path) -> None:
    assert (role / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_says_how_to_verify_it(role: Path) -> None:
    assert (role / "tasks" / "verify.yml").is_file()


def test_specification_repeats_the_defaults(role: Path, options: dict[str, Any]) -> None:
    defaults = read(role / "defaults" / "main.yml")
    specified = {name: one["default"] for name, one in options.items() if "default" in one}

    assert specified == defaults


def test_what_has_no_default_is_required_or_says_what_happens_without(
    options: dict[str, Any],
) -> None:
    open_ended = [
        name
        for name, one in options.items()
        if "default" not in one and not one.get("required") and "description" not in one
    ]

    assert open_ended == []


def test_variables_carry_the_name_of_their_role(role: Path, options: dict[str, Any]) -> None:
    shared = {"certificate": ("certificate_", "pki_")}
    prefixes = shared.get(role.name, (f"{role.name}_",))

    assert [name for name in options if not name.startswith(prefixes)] == []


def test_each_default_is_documented_above_its_value(role: Path) -> None:
    lines = (role / "defaults" / "main.yml").read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if line[:1].isalpha() and not above.startswith("#")
    ]

    assert bare == []

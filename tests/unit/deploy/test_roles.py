"""What holds for every role: documented, typed, each default explained in one place."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in Path("roles").iterdir() if path.is_dir())
PRIVATE = {"unit"}
"""Roles that only other roles include: they set up nothing of their own to verify."""


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
    assert role.name in PRIVATE or (role / "tasks" / "verify.yml").is_file()


def test_every_default_is_specified_and_every_other_is_required_or_optional(
    role: Path, options: dict[str, Any]
) -> None:
    defaults = read(role / "defaults" / "main.yml")
    without = {name for name in options if name not in defaults}

    assert sorted(defaults.keys() - options.keys()) == []
    # Said in one place: beside the comment that explains it.
    assert [name for name, one in options.items() if "default" in one] == []
    assert [name for name in without if "required" not in options[name]] == []


def test_no_secret_has_a_default(role: Path) -> None:
    secret = re.compile(r"_(password|passwords|secret_key|cookie|ca_key)$")
    found = [name for name in read(role / "defaults" / "main.yml") if secret.search(name)]

    assert found == []


def test_variables_carry_the_name_of_their_role(role: Path, options: dict[str, Any]) -> None:
    # What belongs to another role and is needed here is written under its own name.
    shared = ("pki_", "rabbitmq_", "mysql_", "web_")
    prefixes = (f"{role.name}_", *shared)

    assert [name for name in options if not name.startswith(prefixes)] == []


def test_each_default_is_documented_above_its_value(role: Path) -> None:
    blocks = (role / "defaults" / "main.yml").read_text(encoding="utf-8").split("\n\n")
    bare = [
        block
        for block in blocks
        if re.search(r"(?m)^[a-z]", block) and not block.removeprefix("---\n").startswith("#")
    ]

    assert bare == []

"""The list of old defects names for each a test that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/decisions/0018-legacy-defects.md"
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| defect")
]
NAMES = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_the_whole_list_is_there() -> None:
    assert len(ROWS) == 24


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_defect_has_a_test_that_would_catch_it(row: str) -> None:
    named = NAMES.findall(row)
    assert named
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{path} has no {name}"

"""A release that is newer than this checkout: its wheel, with one more migration.

The checkout is copied, so it stays as it is.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .places import ROOT
from .shell import LabError

VERSION = "0.2.0"
COLUMN = "remark_of_newer_release"
_TOP = ("pyproject.toml", "README.md", "LICENSE")
_MIGRATION = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lab", "{before}")]

    operations = [
        migrations.AddField(
            model_name="battery",
            name="{column}",
            field=models.CharField(max_length=100, null=True),
        ),
    ]
"""


@dataclass(frozen=True, slots=True)
class Newer:
    """The wheel, and the name of its newest migration of ``lab``."""

    wheel: Path
    migration: str


def make_newer(folder: Path) -> Newer:
    """Build it below ``folder``.

    Raises:
        LabError: the build failed.
    """
    tree = folder / "tree"
    for name in ("src", "drivers"):
        shutil.copytree(
            ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    for name in _TOP:
        shutil.copy2(ROOT / name, tree / name)
    about = tree / "src/bem/__init__.py"
    text = about.read_text(encoding="utf-8")
    about.write_text(
        re.sub(r'__version__ = ".*"', f'__version__ = "{VERSION}"', text), encoding="utf-8"
    )
    migrations = tree / "src/bem/lab/migrations"
    before = max(path.stem for path in migrations.glob("[0-9]*.py"))
    name = f"{int(before[:4]) + 1:04}_newer"
    (migrations / f"{name}.py").write_text(
        _MIGRATION.format(before=before, column=COLUMN), encoding="utf-8"
    )
    build = ROOT / "roles/release/files/build_wheel.py"
    done = subprocess.run(
        [sys.executable, build, f"--source={tree}", f"--cache={folder / 'wheels'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"the newer release cannot be built: {done.stderr.strip()}")
    return Newer(Path(json.loads(done.stdout)["wheel"]), name)

"""Run the checks and tests of this checkout, one line each: ``_checks.py [--quick]``.

Run by ``bin/test`` with the Python of the environment that it made.
"""

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from _packages import BROWSERS

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest", "-q"]
COUNTED = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed|deselected)")


@dataclass
class Check:
    """One line of the report. ``quick``: it also runs with --quick."""

    name: str
    command: list[str]
    quick: bool = True
    tests: bool = False
    ready: Callable[[], str | None] = field(default=lambda: None)
    """Says what is missing for it to run, if anything is."""


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def checks(quick: bool) -> list[Check]:
    code = ["src", "drivers", "tests", "bin"]
    # Most of their time is waiting for processes; more workers than cores cost nothing.
    processes = [*PYTEST, "-n", "3", "tests/integration"]
    chosen = "not demo and not server" if quick else "not server"
    faults = [] if quick else ["tests/faults"]
    # Each worker starts servers of its own, so a file stays with one.
    server = [*PYTEST, "-n", "2", "--dist", "loadfile", "tests/integration/server"]
    makemigrations = ["-m", "django", "makemigrations", "--check", "--dry-run"]
    assets = ["-m", "bem.web.build_assets"]
    found = [
        Check("format", tool("ruff", "format", "--check", *code)),
        Check("lint", tool("ruff", "check", *code)),
        Check("types", tool("mypy")),
        Check("import rules", tool("lint-imports")),
        Check("playbooks", [*tool("ansible-lint"), "--offline", "-q"]),
        Check("variables page", [sys.executable, "bin/_variables.py", "--check"]),
        Check("browser assets", [sys.executable, *assets]),
        Check("browser types", [sys.executable, *assets, "--check"]),
        Check("migrations", [sys.executable, *makemigrations]),
        Check("unit tests", [*PYTEST, "-n", "2", "tests/unit", "tests/units"], tests=True),
        Check("process tests", [*processes, *faults, "-m", chosen], tests=True),
        Check("server tests", server, quick=False, tests=True),
        Check("browser tests", [*PYTEST, "tests/browser"], False, True, need_browser),
        Check("benchmarks", [*PYTEST, "tests/bench"], quick=False, tests=True),
    ]
    if not any((ROOT / "tests" / "bench").rglob("test_*.py")):
        found.pop()
    return [check for check in found if check.quick or not quick]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/test", description="Run all checks and tests.")
    parser.add_argument(
        "--quick", action="store_true", help="leave out the browser and the slow tests of the demo"
    )
    options = parser.parse_args()
    counts: dict[str, int] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bem-checks-") as folder:
        environment = os.environ | machine(Path(folder))
        failed = [
            check.name for check in checks(options.quick) if not run(check, environment, counts)
        ]
    took = time.monotonic() - began
    tests = ", ".join(f"{number} {what}" for what, number in counts.items()) or "no tests"
    verdict = f"FAILED: {', '.join(failed)}" if failed else "all checks passed"
    sys.stdout.write(f"{tests}; {verdict} ({took:.0f} s)\n")
    return 1 if failed else 0


def run(check: Check, environment: dict[str, str], counts: dict[str, int]) -> bool:
    sys.stdout.write(f"{check.name:<18} ")
    sys.stdout.flush()
    missing = check.ready()
    if missing is not None:
        sys.stdout.write(f"FAILED: {missing}\n")
        return False
    began = time.monotonic()
    done = subprocess.run(
        check.command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    output = done.stdout + done.stderr
    summary = "ok"
    if check.tests:
        last = done.stdout.rstrip().rpartition("\n")[2]
        for number, what in COUNTED.findall(last):
            counts[what] = counts.get(what, 0) + int(number)
        summary = last.strip("= ")
    if done.returncode == 0:
        sys.stdout.write(f"{took:5.1f} s  {summary}\n")
        return True
    sys.stdout.write(f"{took:5.1f} s  FAILED\n{output.rstrip()}\n")
    return False


def machine(folder: Path) -> dict[str, str]:
    """Make settings for the checks that wake Django; the tests make their own."""
    (folder / "secret_key").write_text(secrets.token_urlsafe(50))
    (folder / "bem.yaml").write_text(
        f"data_dir: {folder}\nruntime_dir: {folder}\n"
        f"web: {{secret_key_file: {folder / 'secret_key'}}}\n"
    )
    return {
        "BEM_CONFIG": str(folder / "bem.yaml"),
        "DJANGO_SETTINGS_MODULE": "bem.web.settings",
    }


def need_browser() -> str | None:
    """Say what is missing for tests in a browser."""
    if any(map(shutil.which, BROWSERS)):
        return None
    return "no Chromium, and tests/browser wait for it: sudo apt-get install chromium"


if __name__ == "__main__":
    sys.exit(main())

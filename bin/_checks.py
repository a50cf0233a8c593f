"""Run the checks and tests of this checkout, one line each: ``_checks.py [--quick] [--machines]``.

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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from _packages import BROWSERS

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest", "-q"]
NO_MACHINES = 69
"""How ``bin/lab`` ends where no machines can be booted; it has said what is missing."""
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
    beside: bool = False
    """It runs beside its neighbours that do so too: it uses one core and no clock."""
    background: bool = False
    """It waits for others most of its time, and runs beside all that follow."""
    alone: bool = False
    """It measures times: nothing may run beside it."""
    unavailable: int | None = None
    """The exit code by which it says that it cannot run here, which is no fault."""


@dataclass
class Outcome:
    """How a check went; ``output`` is all that it said, where it failed."""

    check: Check
    took_s: float
    summary: str
    output: str | None = None


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def checks(quick: bool, machines: bool) -> list[Check]:
    code = ["src", "drivers", "tests", "bin"]
    # Some of their time is waiting for processes, which a third worker uses. A file's tests share
    # what they start, and the slowest files come first.
    faults = [] if quick else ["tests/faults"]
    by_file = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
    processes = [*PYTEST, *by_file, *faults, "tests/integration"]
    chosen = "not demo and not server" if quick else "not server"
    # Each worker starts servers of its own, so a file stays with one.
    two = [*PYTEST, "-n", "2", "--dist", "loadfile"]
    server, browser = [*two, "tests/integration/server"], [*two, "tests/browser"]
    makemigrations = ["-m", "django", "makemigrations", "--check", "--dry-run"]
    assets = ["-m", "bem.web.build_assets"]
    laboratory = [str(ROOT / "bin" / "lab"), "test", "first"]
    found = [
        Check("browser assets", [sys.executable, *assets]),
        Check("laboratory", laboratory, background=True, unavailable=NO_MACHINES),
        # The longest come first, and the short ones fill the other cores meanwhile.
        Check("types", tool("mypy"), beside=True),
        Check("playbooks", [*tool("ansible-lint"), "--offline", "-q"], beside=True),
        Check("import rules", tool("lint-imports"), beside=True),
        Check("browser types", [sys.executable, *assets, "--check"], beside=True),
        Check("variables page", [sys.executable, "bin/_variables.py", "--check"], beside=True),
        Check("migrations", [sys.executable, *makemigrations], beside=True),
        Check("lint", tool("ruff", "check", *code), beside=True),
        Check("format", tool("ruff", "format", "--check", *code), beside=True),
        Check("unit tests", [*PYTEST, "-n", "2", "tests/unit", "tests/units"], tests=True),
        Check("server tests", server, quick=False, tests=True),
        Check("browser tests", browser, quick=False, tests=True, ready=need_browser),
        Check("process tests", [*processes, "-m", chosen], tests=True, alone=True),
        Check("benchmarks", [*PYTEST, "tests/bench"], quick=False, tests=True, alone=True),
    ]
    if not any((ROOT / "tests" / "bench").rglob("test_*.py")):
        found.pop()
    left_out = {check.name for check in found if quick and not check.quick}
    if not machines:
        left_out.add("laboratory")
    return [check for check in found if check.name not in left_out]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/test", description="Run all checks and tests.")
    parser.add_argument(
        "--quick", action="store_true", help="leave out the browser and the slow tests of the demo"
    )
    parser.add_argument(
        "--machines",
        action="store_true",
        help="also set up a laboratory on machines booted here (bin/lab test first), as root",
    )
    options = parser.parse_args()
    counts: dict[str, int] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bem-checks-") as folder:
        environment = os.environ | machine(Path(folder))
        failed = [
            outcome.check.name
            for outcome in outcomes(checks(options.quick, options.machines), environment)
            if not report(outcome, counts)
        ]
    took = time.monotonic() - began
    tests = ", ".join(f"{number} {what}" for what, number in counts.items()) or "no tests"
    verdict = f"FAILED: {', '.join(failed)}" if failed else "all checks passed"
    sys.stdout.write(f"{tests}; {verdict} ({took:.0f} s)\n")
    return 1 if failed else 0


def outcomes(wanted: list[Check], environment: dict[str, str]) -> Iterator[Outcome]:
    """Run checks, those that may at once; each as soon as it is done."""
    waiting: list[Future[Outcome]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, ThreadPoolExecutor() as behind:
        for check, neighbours in _groups(wanted):
            if check.background:
                # What is made of the checks' settings is none of its business.
                waiting.append(behind.submit(run, check, dict(os.environ)))
            elif check.beside:
                running = [pool.submit(run, one, environment) for one in neighbours]
                yield from (done.result() for done in as_completed(running))
            else:
                if check.alone:
                    yield from (done.result() for done in waiting)
                    waiting.clear()
                yield run(check, environment)
        yield from (done.result() for done in waiting)


def _groups(wanted: list[Check]) -> Iterator[tuple[Check, list[Check]]]:
    """Get the first and all of those that may run at once, in their order."""
    for beside, found in groupby(wanted, lambda check: check.beside):
        members = list(found)
        if beside:
            yield members[0], members
        else:
            yield from ((check, [check]) for check in members)


def run(check: Check, environment: dict[str, str]) -> Outcome:
    missing = check.ready()
    if missing is not None:
        return Outcome(check, 0, "FAILED", missing)
    began = time.monotonic()
    done = subprocess.run(
        check.command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    took_s = time.monotonic() - began
    if done.returncode == check.unavailable:
        return Outcome(check, took_s, f"not run:\n{(done.stdout + done.stderr).rstrip()}")
    last = done.stdout.rstrip().rpartition("\n")[2] if check.tests else "ok"
    if done.returncode == 0:
        return Outcome(check, took_s, last.strip("= "))
    return Outcome(check, took_s, last.strip("= "), done.stdout + done.stderr)


def report(outcome: Outcome, counts: dict[str, int]) -> bool:
    """Print the line of a check, and all that it said if it failed."""
    for number, what in COUNTED.findall(outcome.summary):
        counts[what] = counts.get(what, 0) + int(number)
    output = outcome.output
    said = outcome.summary if output is None else f"FAILED\n{output.rstrip()}"
    sys.stdout.write(f"{outcome.check.name:<18} {outcome.took_s:5.1f} s  {said}\n")
    sys.stdout.flush()
    return output is None


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

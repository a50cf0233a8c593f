"""The molecule scenarios of ``tests/molecule``, each on machines of its own."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .controller import BIN, Controller
from .machines import Lab
from .places import ROOT, network
from .plan import Plan

FOLDER = ROOT / "tests" / "molecule"
BASE = FOLDER / "base.yml"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario; ``about`` is the first line of its molecule.yml."""

    name: str
    about: str
    folder: Path

    @property
    def lab(self) -> str:
        """The laboratory that it makes for itself."""
        return f"test-{self.name}"


def known() -> dict[str, Scenario]:
    """Find the scenarios, by name."""
    found = {}
    for path in sorted(FOLDER.glob("*/molecule.yml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        found[path.parent.name] = Scenario(
            path.parent.name, first.removeprefix("#").strip(), path.parent
        )
    return found


def run(scenarios: Sequence[Scenario], *, keep: bool) -> int:
    """Run scenarios one after another and say how long each took; 0 when all hold."""
    results = []
    for scenario in scenarios:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="bem-molecule-") as home:
            code = _run(scenario, Path(home), keep=keep)
        results.append((scenario.name, code, time.monotonic() - began))
    sys.stdout.write("\n")
    for name, code, took in results:
        verdict = "ok" if code == 0 else f"FAILED ({code})"
        sys.stdout.write(f"{name:<10} {took:6.1f} s  {verdict}\n")
    return int(any(code for _, code, _ in results))


def _run(scenario: Scenario, home: Path, *, keep: bool) -> int:
    controller = Controller(Lab(scenario.lab, network(test=True), Plan()), home)
    command = [
        str(BIN / "molecule"),
        f"--base-config={BASE}",
        "test",
        f"--scenario-name={scenario.name}",
        f"--destroy={'never' if keep else 'always'}",
    ]
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment(scenario, controller), check=False
        ).returncode
    finally:
        controller.hang_up()
        if not keep:
            # Molecule removes the machines itself, unless it was broken off.
            _remove(scenario)


def environment(scenario: Scenario, controller: Controller) -> dict[str, str]:
    """Get the environment of molecule and of the Ansible that it runs."""
    return controller.environment() | {
        "MOLECULE_GLOB": str(FOLDER / "*" / "molecule.yml"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(controller.home / "molecule"),
        "BEM_LAB": str(ROOT / "bin" / "lab"),
        "BEM_LAB_NAME": scenario.lab,
        "BEM_LAB_FOLDER": str(controller.lab.folder),
        "BEM_LAB_PLAN": str(scenario.folder / "laboratory.yml"),
        "BEM_LAB_VAULT": str(FOLDER / "shared" / "vault-password"),
    }


def _remove(scenario: Scenario) -> None:
    command = [sys.executable, "-m", "lab", "down", f"--lab={scenario.lab}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)

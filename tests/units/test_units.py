"""Every unit is one that systemd accepts without a word, and can do little harm.

The units of all roles are rendered as on a machine with the documented values.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROLES = HERE.parents[1] / "roles"
KINDS = ("service", "socket", "target", "timer", "path")
SYSTEMD_VERSIONS = (252, 255, 257)
"""Of Debian 12, Ubuntu 24.04 and Debian 13."""
SYSTEM_TARGETS = ("sysinit", "basic", "shutdown", "multi-user", "sockets", "timers", "paths")
EXEC = re.compile(r"^Exec\w+=[-+!@:]*/(\S+)", re.MULTILINE)
THRESHOLDS = {
    "bem-web.service": 2.0,
    "bem-manager.service": 2.0,
    "bem-migrate.service": 2.0,
    "bem-node.service": 2.6,
    "bem-devices.service": 2.6,
    "bem-station@.service": 2.6,
}
"""The highest exposure allowed, of 10. Units not named here are root's short jobs."""
ALWAYS_THERE = (
    "bem-web.service",
    "bem-manager.service",
    "bem-node.service",
    "bem-station@.service",
)
"""The units that run as long as the machine does."""
OLDEST_WITH_STEPS = 254
"""The first version of systemd that knows RestartSteps=."""
NEVER_BOUND_TO = ("mysql", "mariadb", "rabbitmq", "chrony")

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (package systemd)"
)


@dataclass(frozen=True)
class Units:
    """Units in the root of a machine made for them."""

    root: Path
    names: tuple[str, ...]

    def text(self, name: str) -> str:
        """What the unit's file says."""
        return (self.root / "etc/systemd/system" / name).read_text(encoding="utf-8")


def templates() -> Sequence[Path]:
    """The templates of all units of all roles."""
    return sorted(path for kind in KINDS for path in ROLES.glob(f"*/templates/bem-*.{kind}.j2"))


def _render(folder: Path, systemd: int) -> None:
    texts = folder.parent / "texts.json"
    extra = {
        "units_out": str(texts),
        "units_templates": [str(path) for path in templates()],
        "units_values": [
            str(path)
            for part in ("defaults", "vars")
            for path in sorted(ROLES.glob(f"*/{part}/main.yml"))
        ],
        "units_systemd": systemd,
    }
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "--inventory=localhost,",
            f"--extra-vars={json.dumps(extra)}",
            f"--extra-vars=ansible_python_interpreter={sys.executable}",
            HERE / "render.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name, text in json.loads(texts.read_text(encoding="utf-8")).items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="session", params=SYSTEMD_VERSIONS, ids=lambda version: f"systemd{version}")
def units(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Units:
    """The units for one version of systemd."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "etc/systemd/system"
    folder.mkdir(parents=True)
    _render(folder, request.param)
    for unit in folder.iterdir():
        # What the units call must be there.
        for program in EXEC.findall(unit.read_text(encoding="utf-8")):
            path = root / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n", encoding="utf-8")
            path.chmod(0o755)
    # The units of the system that these are ordered by.
    system = root / "usr/lib/systemd/system"
    system.mkdir(parents=True)
    for target in SYSTEM_TARGETS:
        text = f"[Unit]\nDescription={target}\nDefaultDependencies=no\n"
        (system / f"{target}.target").write_text(text, encoding="utf-8")
    names = tuple(path.name for path in sorted(folder.iterdir()))
    return Units(root, names)


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )


def _here() -> int:
    """The version of systemd that judges."""
    found = re.match(r"systemd (\d+)", _analyze("--version").stdout)
    assert found is not None
    return int(found[1])


def _values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_every_template_becomes_a_unit(units: Units) -> None:
    assert set(units.names) == {path.stem for path in templates()}
    assert {"bem-web.service", "bem-web.socket", "bem-manager.service"} < set(units.names)


def test_systemd_accepts_every_unit_without_a_word(units: Units) -> None:
    names = [name.replace("@.", "@bench-1.") for name in units.names]
    done = _analyze("verify", f"--root={units.root}", "--man=no", *names)
    said = (done.stdout + done.stderr).splitlines()
    # A judge that is older than what the units are made for may say so of these two, no more.
    unknown = re.compile(r"Unknown key '?(RestartSteps|RestartMaxDelaySec)'?")
    assert [line for line in said if not unknown.search(line)] == []
    assert said == [] or _here() < OLDEST_WITH_STEPS
    assert done.returncode == 0


def test_the_exposure_of_every_unit_is_low(units: Units) -> None:
    found = {}
    for name in sorted(THRESHOLDS.keys() & set(units.names)):
        threshold = f"--threshold={THRESHOLDS[name] * 10:.0f}"
        done = _analyze(
            "security", "--offline=true", f"--root={units.root}", "--no-pager", threshold, name
        )
        level = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
        assert level is not None, done.stdout + done.stderr
        found[name] = (float(level[1]), done.returncode)
    too_high = {name: level for name, (level, code) in found.items() if code != 0}
    assert too_high == {}, f"allowed: {THRESHOLDS}"
    assert all(level <= THRESHOLDS[name] for name, (level, _) in found.items())


@pytest.mark.parametrize("name", ALWAYS_THERE)
def test_a_daemon_comes_back_for_ever_and_is_watched(units: Units, name: str) -> None:
    if name not in units.names:
        pytest.skip("its role is not there")
    text = units.text(name)
    assert _values(text, "Type") == ["notify"]
    assert _values(text, "Restart") == ["always"]
    assert _values(text, "StartLimitIntervalSec") == ["0"]
    assert _values(text, "WatchdogSec") != []
    assert _values(text, "RestartSec") != []


def test_nothing_is_bound_to_the_database_or_the_broker(units: Units) -> None:
    for name in units.names:
        for key in ("Requires", "BindsTo", "Requisite", "PartOf"):
            for value in _values(units.text(name), key):
                assert not any(service in value for service in NEVER_BOUND_TO), f"{name}: {value}"


def test_no_unit_holds_a_secret(units: Units) -> None:
    for name in units.names:
        assert not re.search(
            r"(?i)^Environment=.*(password|secret|token)", units.text(name), re.MULTILINE
        )


def test_no_two_units_share_a_folder_of_secrets(units: Units) -> None:
    owners: dict[str, str] = {}
    for name in units.names:
        for folder in re.findall(r"^LoadCredential=[^:]+:(\S+)/", units.text(name), re.MULTILINE):
            assert owners.setdefault(folder, name) == name

"""A virtual machine with Debian's own kernel, for what this computer's kernel may not have: CAN.

Processors and clock of the machine are made by QEMU out of counted instructions, so that nothing in
it depends on how fast or busy this computer is, and no hardware virtualisation is needed.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from .kernel import Kernel, kernel
from .places import ROOT
from .shell import LabError

TESTS = "tests/vm"
LONGEST_S = 7200
"""A machine that is not off by then is cut off. What takes minutes here may take long elsewhere."""
UP = "bem-vm: up"
"""What the machine says when it has booted; what it says before is of its boot."""
MEMORY_MB = 1024
MEMORY = Path("/mnt")
"""What is hidden inside by a folder in the machine's memory."""
SCRATCH = MEMORY / "scratch"
INSIDE = MEMORY / "bem-vm"
"""Where the machine has the folder that it shares with us."""
RESULTS, CODE, BYTECODE = "results.xml", "code", "bytecode"
_SETTINGS = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONPATH": f"{ROOT}/src:{ROOT}/drivers",
}
"""Environment of pytest, here and inside."""
_TAKEN = ("BEM_BUS_S",)
"""What tests take of the environment of whoever starts the machine."""
_NANOSECONDS_SHIFT = 0
"""An instruction takes 2^this nanoseconds of the machine's time: a small single-board computer."""


def run_tests(expression: str | None = None, junit: Path | None = None) -> int:
    """Boot, run the tests of ``tests/vm``, say how long it took; 0 when all hold.

    ``expression`` chooses tests as pytest's ``-k`` does; ``junit`` is a file for their results.

    Raises:
        LabError: the checkout is where the machine cannot see it, there is no kernel, or the
            machine ended before the tests.
    """
    for path in (ROOT, Path(sys.prefix)):
        if path.is_relative_to(MEMORY):
            raise LabError(f"{path} cannot be used in the virtual machine: move it out of {MEMORY}")
    began = time.monotonic()
    _say("… kernel")
    found = kernel()
    made = time.monotonic()
    _say("… bytecode")
    with _ends_with_us(), tempfile.TemporaryDirectory(prefix="bem-vm-") as name:
        folder = Path(name)
        _compile(folder / BYTECODE, expression)
        (folder / "run").write_text(_script(expression), encoding="utf-8")
        compiled = time.monotonic()
        _say("… virtual machine")
        booted = _live(found, folder)
        ended = time.monotonic()
        code = exit_code(folder)
        results = folder / RESULTS
        tests, inside = summary(results)
        if junit is not None:
            shutil.copyfile(results, junit)
    verdict = "ok" if code == 0 else f"FAILED (pytest {code})"
    _say(
        f"\nkernel {found.release}: {made - began:.1f} s, bytecode {compiled - made:.1f} s, "
        f"boot {booted - compiled:.1f} s, "
        f"{tests} tests {ended - booted:.1f} s ({inside:.1f} s of the machine's time), "
        f"total {ended - began:.1f} s: {verdict}"
    )
    return int(code != 0)


def command(found: Kernel, folder: Path) -> list[str]:
    """Get the call of QEMU; ``folder`` is what the machine may write to."""
    shared = "local,security_model=none,multidevs=remap"
    return [
        # Whatever becomes of us, no machine is left behind.
        *("setpriv", "--pdeathsig", "KILL"),
        "qemu-system-x86_64",
        *("-machine", "q35", "-cpu", "max", "-accel", "tcg", "-m", str(MEMORY_MB)),
        *("-icount", f"shift={_NANOSECONDS_SHIFT}"),
        *("-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-serial", "stdio"),
        *("-kernel", str(found.image), "-initrd", str(found.initial)),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off norandmaps"),
        *("-virtfs", f"{shared},path=/,mount_tag=computer,readonly=on"),
        *("-virtfs", f"{shared},path={folder},mount_tag=results"),
        *("-device", "virtio-rng-pci"),
        # Two CAN controllers on one cable: can0 and can1.
        *("-object", "can-bus,id=cable"),
        *("-device", "kvaser_pci,canbus=cable", "-device", "kvaser_pci,canbus=cable"),
    ]


def _script(expression: str | None) -> str:
    """Get what the machine runs: the tests, by this very Python, which is on its root too."""
    settings = _SETTINGS | {name: os.environ[name] for name in _TAKEN if name in os.environ}
    pytest = [*_pytest(expression), "-v", "--durations=5", f"--junit-xml={INSIDE}/{RESULTS}"]
    return (
        f"echo {shlex.quote(UP)}\n"
        f"cd {shlex.quote(str(ROOT))} || exit 1\n"
        f"export BEM_VM=1 HOME={SCRATCH} TMPDIR={SCRATCH} PYTHONDONTWRITEBYTECODE=1\n"
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"export PYTHONPYCACHEPREFIX={INSIDE}/{BYTECODE}\n"
        f"export {' '.join(f'{name}={shlex.quote(value)}' for name, value in settings.items())}\n"
        f"exec {shlex.join(pytest)}\n"
    )


def _pytest(expression: str | None) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-p", "pytest_timeout", "-p", "no:cacheprovider"),
        # The settings of the web are of no use there, and take their time.
        f"--confcutdir={TESTS}",
        *("--color=no", TESTS),
        *(("-k", expression) if expression else ()),
    ]


def _compile(folder: Path, expression: str | None) -> None:
    """Compile what the tests import, which takes the machine ten times as long.

    Raises:
        LabError: they cannot be collected.
    """
    environment = os.environ | _SETTINGS | {"PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [*_pytest(expression), "--collect-only", "-q"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")


def _live(found: Kernel, folder: Path) -> float:
    """Let the machine live until it is off, showing what it says; get when it had booted.

    Raises:
        LabError: it never booted, or was not off in time.
    """
    said: list[str] = []
    booted: float | None = None
    began = time.monotonic()
    with subprocess.Popen(
        command(found, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
    ) as machine:
        assert machine.stdout is not None
        cut = threading.Timer(LONGEST_S, machine.kill)
        cut.start()
        try:
            for line in machine.stdout:
                said = [*said[-20:], line]
                if booted is not None:
                    _say(line.rstrip())
                elif UP in line:
                    booted = time.monotonic()
                    _say(f"booted after {booted - began:.1f} s")
        finally:
            in_time = cut.is_alive()
            cut.cancel()
            machine.kill()
    if booted is None:
        raise LabError(f"the virtual machine did not boot; it said:\n{''.join(said)}")
    if not in_time:
        raise LabError(f"the virtual machine was not off after {LONGEST_S} s and was cut off")
    return booted


def exit_code(folder: Path) -> int:
    """Get the exit code of the tests.

    Raises:
        LabError: the machine ended before them.
    """
    path = folder / CODE
    if not path.exists():
        raise LabError("the virtual machine ended before its tests did; see what it said last")
    return int(path.read_text(encoding="ascii"))


def summary(results: Path) -> tuple[int, float]:
    """Get how many tests ran, and the seconds of the machine's own time that they took.

    Raises:
        LabError: none ran.
    """
    tests, seconds = 0, 0.0
    if results.exists():
        for suite in ET.parse(results).getroot().iter("testsuite"):  # noqa: S314 - our own
            tests += int(suite.get("tests", "0")) - int(suite.get("skipped", "0"))
            seconds += float(suite.get("time", "0"))
    if not tests:
        raise LabError("no test was run; see what the virtual machine said")
    return tests, seconds


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _ends_with_us() -> Iterator[None]:
    """Let SIGTERM end us in order, so that nothing is left behind."""

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

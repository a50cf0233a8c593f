"""Make the virtual environment of this checkout: ``_environment.py demo|lab|test``.

Run by the entry points beside it, with any supported Python and nothing installed. It installs
this checkout, editable, with the pinned versions of ``.ci/constraints.txt``, and does nothing when
that has been done already and nothing that matters has changed since.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
FRONTEND = ROOT / "src" / "bem" / "web" / "frontend"
DEMO = f"{ROOT}[demo]"
WANTED = {
    "demo": ["--editable", DEMO],
    # Its scenarios run tests on the machines.
    "lab": ["--editable", DEMO, "--group", "lab", "--group", "test"],
    "test": ["--editable", DEMO, "--group", "test", "--group", "lint"],
}
"""What to install for each kind of environment; the later kinds hold what the earlier ones do."""
WITH_MYSQL = f"{ROOT}[demo,mysql]"
"""Takes the place of the above for tests where MySQL's client can be built."""
SHOWN_LINES = 30


class Failure(Exception):
    """The environment cannot be made. The message says why and what to do about it."""


def main() -> int:
    kind = sys.argv[1]
    folder = Path(os.environ["VENV"]).absolute()
    wanted = fingerprint()
    kinds = list(WANTED)
    stamps = [folder / f".bem-{one}" for one in kinds[kinds.index(kind) :]]
    if any(stamp.is_file() and stamp.read_text() == wanted for stamp in stamps):
        return 0
    log = folder / "install.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".bem-lock").open("w") as lock:
            # Whoever comes second waits, and then finds it done or does it anew.
            fcntl.flock(lock, fcntl.LOCK_EX)
            with log.open("w") as output:
                make(folder, kind, output)
            (folder / f".bem-{kind}").write_text(wanted)
    except OSError as error:
        say(f"cannot write to {folder}: {error.strerror}; set BEM_VENV to a folder of your own")
        return 1
    except Failure as error:
        say(f"{error}")
        return 1
    return 0


def make(folder: Path, kind: str, output: TextIO) -> None:
    python = folder / "bin" / "python"
    if not works(python):
        with Stage("making a virtual environment"):
            create(folder, output)
    with Stage("installing (a few minutes the first time)"):
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        install = [*pip, "install", "--constraint", str(CONSTRAINTS)]
        run([*install, "--upgrade", "pip"], output, "installing pip")
        # A group of dependencies is looked up in the project file of the current folder.
        run([*install, *wanted_for(kind)], output, "installing the Battery Experiments Manager")


def create(folder: Path, output: TextIO) -> None:
    """Make the environment; without Debian's python3-venv by the pip that is here, if any."""
    base = [sys.executable, "-m", "venv"]
    # Not by --clear, which would take our log and lock away too.
    for name in ("bin", "include", "lib", "lib64", "share"):
        path = folder / name
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    if succeeds([sys.executable, "-c", "import ensurepip"]):
        run([*base, str(folder)], output, "making a virtual environment")
    elif succeeds([sys.executable, "-m", "pip", "--version"]):
        run([*base, "--without-pip", str(folder)], output, "making a virtual environment")
        python = str(folder / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "pip"]
        run(pip, output, "installing pip")
    else:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Failure(
            f"{sys.executable} comes without the module ensurepip; install it by\n"
            f"    sudo apt-get install python{version}-venv"
        )


def works(python: Path) -> bool:
    """Whether there is an environment with pip, of a Python that still exists and fits."""
    check = "import pip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
    return python.exists() and succeeds([str(python), "-c", check])


def fingerprint() -> str:
    """Digest of everything that an installation depends on."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {wanted_for('test')}".encode())
    inputs = [ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__)]
    made = {"node_modules", "__pycache__"}
    for folder, names, files in os.walk(FRONTEND):
        names[:] = sorted(name for name in names if name not in made and name[0] != ".")
        inputs += [Path(folder, name) for name in sorted(files)]
    for path in inputs:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def wanted_for(kind: str) -> list[str]:
    """What pip is told to install. MySQL's client has no wheel: only where it can be built."""
    found = WANTED[kind]
    buildable = shutil.which("cc") and shutil.which("pkg-config")
    if kind == "test" and buildable and succeeds(["pkg-config", "--exists", "libmariadb"]):
        return [WITH_MYSQL if one == DEMO else one for one in found]
    return found


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(command: list[str], output: TextIO, what: str) -> None:
    output.write(f"$ {' '.join(command)}\n")
    output.flush()
    done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False)
    if done.returncode:
        log = Path(output.name)
        lines = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
        raise Failure(f"{what} failed; {log} ends so:\n{lines}")


class Stage:
    """Says what is going on, and how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._began = time.monotonic()
        sys.stderr.write(f"  … {self._what}")
        sys.stderr.flush()

    def __exit__(self, kind: object, *_: object) -> None:
        mark = "failed after" if kind else "done in"
        sys.stderr.write(f", {mark} {time.monotonic() - self._began:.0f} s\n")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())

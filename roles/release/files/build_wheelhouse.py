"""Make the wheelhouse of a release for one platform. Runs on the first server, in a venv with pip.

The folder holds every wheel that a machine of that platform needs, pip included, and hashes.txt, by
which pip checks each file when it installs. Beside it lies the same as one archive, to be copied.
The answer is JSON: {"folder": path, "archive": path, "built": bool}.
"""

import argparse
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path

# They are published as sources only, and are pure Python: one wheel for all platforms.
_PURE = ("sdnotify",)
# Wheels say which glibc they need at least; the oldest that anybody still builds for is 2.5.
_OLDEST_GLIBC = 5
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_DONE = "wheelhouse.json"


class WheelhouseError(Exception):
    """A wheel cannot be had. The message says which and what to do."""


@dataclass(frozen=True)
class Target:
    """The machine that will install: its Python, its instruction set, its C library."""

    python: str
    machine: str
    glibc: int

    @property
    def is_this(self) -> bool:
        """Whether wheels that are compiled here run there."""
        return (self.python, self.machine) == (_own_python(), _own_machine())

    def platforms(self) -> list[str]:
        """List the tags of wheels that run there, the newest first."""
        tags = []
        for minor in range(self.glibc, _OLDEST_GLIBC - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _LEGACY:
                tags.append(f"{_LEGACY[minor]}_{self.machine}")
        return [*tags, f"linux_{self.machine}"]


def main() -> int:
    """Answer on the standard output; what is wrong goes to the standard error, with code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel of the product")
    parser.add_argument("--extras", required=True, help="its extras, with commas")
    parser.add_argument("--constraints", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="what to make")
    parser.add_argument("--python", required=True, help="3.11")
    parser.add_argument("--machine", required=True, help="x86_64")
    parser.add_argument("--glibc", type=int, required=True, help="36 for glibc 2.36")
    parser.add_argument("--extra-index-url", action="append", default=[])
    asked = parser.parse_args()
    archive = asked.folder.with_name(f"{asked.folder.name}.tar")
    wanted = {
        "wheel": _sha256(asked.wheel),
        "constraints": _sha256(asked.constraints),
        "extras": asked.extras,
    }
    fresh = _read(asked.folder / _DONE) != wanted or not archive.is_file()
    if fresh:
        index = [f"--extra-index-url={url}" for url in asked.extra_index_url]
        target = Target(asked.python, asked.machine, asked.glibc)
        try:
            _make(asked.folder, asked.wheel, asked.extras, asked.constraints, target, index)
        except WheelhouseError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        # Last: a folder without it was broken off and is made anew.
        (asked.folder / _DONE).write_text(json.dumps(wanted), encoding="utf-8")
        _pack(asked.folder, archive)
    answer = {"folder": str(asked.folder), "archive": str(archive), "built": fresh}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _make(
    folder: Path, wheel: Path, extras: str, constraints: Path, target: Target, index: list[str]
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    product = f"battery-experiments-manager[{extras}] @ {wheel.resolve().as_uri()}"
    limits = ["--constraint", str(constraints)]
    # The pip of the system may be old. This one is used here, and as a program on each machine: its
    # wheel can be run as it is.
    own = [sys.executable, "-m", "pip"]
    _pip(
        own,
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
        *limits,
        *index,
        "pip",
    )
    own = [sys.executable, f"{next(folder.glob('pip-*.whl'))}/pip"]
    if target.is_this:
        _pip(own, "wheel", "--wheel-dir", str(folder), *limits, *index, product)
    else:
        _pip(own, "wheel", "--no-deps", "--wheel-dir", str(folder), *limits, *index, *_PURE)
        tags = [f"--platform={tag}" for tag in target.platforms()]
        version = [f"--python-version={target.python}", "--implementation=cp"]
        binary = ["--only-binary=:all:", f"--find-links={folder}", "--dest", str(folder)]
        _pip(own, "download", *binary, *tags, *version, *limits, *index, product)
    (folder / "hashes.txt").write_text(_hashes(folder), encoding="ascii")


def _pip(pip: list[str], *arguments: str) -> None:
    command = [*pip, "--disable-pip-version-check", *arguments]
    done = subprocess.run(  # noqa: S603 - the command is made here, no shell
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WheelhouseError(
            f"pip {arguments[0]} failed: {done.stderr.strip()[-2000:]}\n"
            "The first server gets the packages from PyPI or from release_index_url; "
            "release_index_certificate names the certificates of a proxy that opens TLS."
        )


def _hashes(folder: Path) -> str:
    lines = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        plain = re.sub(r"[-_.]+", "-", name).lower()
        lines.append(f"{plain}=={version} --hash=sha256:{_sha256(wheel)}\n")
    return "".join(lines)


def _pack(folder: Path, archive: Path) -> None:
    part = archive.with_suffix(".part")
    # Wheels are compressed already.
    with tarfile.open(part, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    part.chmod(0o644)
    part.replace(archive)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, str] | None:
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found


def _own_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _own_machine() -> str:
    # As the platform of the interpreter: its word size may be less than the kernel's.
    return sysconfig.get_platform().removeprefix("linux-") if sys.maxsize > 2**32 else _short()


def _short() -> str:
    return {"aarch64": "armv7l", "x86_64": "i686"}.get(platform.machine(), platform.machine())


if __name__ == "__main__":
    sys.exit(main())

"""Find or build the wheel of the product. Runs on the controller; needs only Python and pip.

The wheel of a checkout is built once per content and kept in a cache. A given one stays as it is.
The answer is JSON: {"wheel": path, "version": "0.1.0", "sha256": hex digest, "built": bool}.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

_TOP = ("pyproject.toml", "README.md", "LICENSE")
_FOLDERS = ("src", "drivers")
_IGNORED = {"__pycache__", "node_modules", ".cache", "assets"}
_NAME = "battery_experiments_manager"
_KEPT = 10


class WheelError(Exception):
    """There is no wheel. The message says why and what to do."""


def given(path: Path) -> Path:
    """Get the wheel that a person named: the file itself, or the only one in a folder.

    Raises:
        WheelError: there is none, or more than one.
    """
    if path.is_file():
        return path
    found = sorted(path.glob(f"{_NAME}-*.whl"))
    if len(found) != 1:
        raise WheelError(
            f"release_wheel is {path}, which is neither a wheel nor a folder with exactly one "
            f"{_NAME}-*.whl ({len(found)} found). Name the wheel, or leave release_wheel empty to "
            "build it from this checkout."
        )
    return found[0]


def built(source: Path, cache: Path) -> tuple[Path, bool]:
    """Get the wheel of a checkout, and whether it had to be built.

    Raises:
        WheelError: the build failed.
    """
    home = cache / _content(source)[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        # Two playbooks at once build one after the other, and the second finds it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = sorted(home.glob("*.whl"))
        if found:
            return found[0], False
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            wheel = _build(source, Path(folder), home)
        for old in sorted(cache.glob("*/*.whl"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old.parent)
        return wheel, True


def describe(wheel: Path) -> dict[str, str]:
    """Get path, version and digest of a wheel.

    Raises:
        WheelError: the file is no wheel of this product.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            lines = archive.read(names[0]).decode().splitlines() if names else []
    except (OSError, zipfile.BadZipFile) as error:
        raise WheelError(f"{wheel} cannot be read as a wheel: {error}") from error
    fields = dict(line.split(": ", 1) for line in lines[: _header(lines)] if ": " in line)
    if fields.get("Name", "").replace("-", "_") != _NAME:
        raise WheelError(f"{wheel} is no wheel of the Battery Experiments Manager.")
    return {
        "wheel": str(wheel.resolve()),
        "version": fields["Version"],
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }


def _header(lines: list[str]) -> int:
    return lines.index("") if "" in lines else len(lines)


def _content(source: Path) -> str:
    digest = hashlib.sha256()
    for path in _files(source):
        digest.update(f"{path.relative_to(source).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(source: Path) -> Iterator[Path]:
    for name in _TOP:
        yield source / name
    for folder in _FOLDERS:
        for path in sorted((source / folder).rglob("*")):
            inside = path.relative_to(source).parts
            # The folder assets is made from what is hashed.
            if path.is_file() and not _IGNORED & {*inside} and not inside[-1].endswith(".pyc"):
                yield path


def _build(source: Path, work: Path, home: Path) -> Path:
    # Built from a copy: a checkout that somebody else owns, or edits meanwhile, is left alone.
    tree, out = work / "tree", work / "out"
    for path in _files(source):
        target = tree / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    assets = source / "src/bem/web/assets"
    if assets.is_dir():
        # The build makes them anew unless they are of these very sources.
        shutil.copytree(assets, tree / "src/bem/web/assets")
    command = [*_pip(work), "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(tree)]
    # Dates of the files in the wheel are fixed, so that equal content gives an equal wheel.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1735689600"}
    done = subprocess.run(  # noqa: S603 - the command is made here, no shell
        command, cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WheelError(
            f"The wheel of {source} cannot be built: {done.stderr.strip()[-2000:]}\n"
            "The build needs a package index (PyPI) and the npm registry. Where the controller "
            "reaches neither, build the wheel elsewhere and name it by release_wheel."
        )
    home.mkdir(parents=True, exist_ok=True)
    wheel = next(out.glob("*.whl"))
    return wheel.replace(home / wheel.name)


def _pip(work: Path) -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    home = work / "venv"
    done = subprocess.run(  # noqa: S603 - the command is made here, no shell
        [sys.executable, "-m", "venv", str(home)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WheelError(
            f"The Python of Ansible ({sys.executable}) has neither pip nor the means to get it. "
            f"Install pip beside Ansible. {done.stdout.strip()}"
        )
    return [str(home / "bin/python"), "-m", "pip"]


def main() -> int:
    """Answer on the standard output; what is wrong goes to the standard error, with code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="the checkout")
    parser.add_argument("--cache", type=Path, required=True, help="where built wheels are kept")
    parser.add_argument("--wheel", type=Path, help="a wheel, or a folder that holds one")
    asked = parser.parse_args()
    try:
        if asked.wheel:
            wheel, fresh = given(asked.wheel), False
        else:
            wheel, fresh = built(asked.source.resolve(), asked.cache.resolve())
        answer = {**describe(wheel), "built": fresh}
    except WheelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

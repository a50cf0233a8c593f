#!/usr/bin/python
"""Tell which releases a machine has, which are complete, and which are in use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: bem_releases
short_description: Tell which releases of the Battery Experiments Manager a machine has
description:
  - Looks at the folder of the releases, at the links C(current) and C(previous), and at the running
    processes. Changes nothing.
options:
  root:
    description: Folder that holds C(releases), C(current) and C(previous).
    type: path
    required: true
  python:
    description: Interpreter for which releases are installed.
    type: path
    required: true
author: [The Battery Experiments Manager project]
"""

RETURN = r"""
releases:
  description: What each complete release says about itself (its file release.json), by folder name.
  type: dict
  returned: always
broken:
  description: Folders whose installation was broken off.
  type: list
  returned: always
current:
  description: Name of the release that C(current) points to, or an empty string.
  type: str
  returned: always
previous:
  description: The same of C(previous).
  type: str
  returned: always
running:
  description: Names of the units that run from each release, by its folder name.
  type: dict
  returned: always
platform:
  description: Interpreter and system for which wheels are needed (python, machine, glibc, tag).
  type: dict
  returned: always
"""

EXAMPLES = r"""
- name: Ask which releases are there
  bem_releases:
    root: /opt/bem
    python: /usr/bin/python3
"""

MARKER = "release.json"
# Asked of the interpreter itself: a 32-bit one may run on a 64-bit kernel.
PROBE = """
import json, platform, sys, sysconfig
machine = sysconfig.get_platform().split("-", 1)[1]
if sys.maxsize <= 2**32:
    machine = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(machine, machine)
libc = platform.libc_ver()
glibc = int(libc[1].split(".")[1]) if libc[0] == "glibc" else 0
version = "%d.%d" % sys.version_info[:2]
print(json.dumps({"python": version, "machine": machine, "glibc": glibc,
    "tag": "cp%s-%s" % (version.replace(".", ""), machine)}))
"""


def installed(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Get what the complete releases say about themselves, and the names of the broken ones."""
    complete: dict[str, Any] = {}
    broken = []
    folder = root / "releases"
    for home in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            complete[home.name] = json.loads((home / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            broken.append(home.name)
    return complete, broken


def link(path: Path) -> str:
    """Get the name of the release that a link points to; empty where there is none."""
    return path.resolve().name if path.is_symlink() and path.is_dir() else ""


def running(root: Path, proc: Path = Path("/proc")) -> dict[str, list[str]]:
    """Get the units (or process ids) that run from each release.

    The executable is the system's Python, so command line and mapped files are looked at.
    """
    pattern = re.compile(re.escape(f"{root}/releases/") + r"([^/\s\0]+)/")
    found: dict[str, set[str]] = {}
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            seen = (process / "cmdline").read_text(errors="replace")
            seen += (process / "maps").read_text(errors="replace")
            group = (process / "cgroup").read_text()
        except OSError:
            # It ended meanwhile.
            continue
        units = re.findall(r"[^/\n]+\.service", group)
        for name in set(pattern.findall(seen)):
            found.setdefault(name, set()).add(units[-1] if units else process.name)
    return {name: sorted(units) for name, units in sorted(found.items())}


def main() -> None:
    """Run as a module of Ansible."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "python": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    code, out, err = module.run_command([module.params["python"], "-c", PROBE])
    if code:
        module.fail_json(
            msg=f"release_python is {module.params['python']}, which does not run: {err or out}. "
            "Name a Python 3.11 to 3.13 that is on this machine."
        )
    complete, broken = installed(root)
    module.exit_json(
        changed=False,
        releases=complete,
        broken=broken,
        current=link(root / "current"),
        previous=link(root / "previous"),
        running=running(root),
        platform=json.loads(out),
    )


if __name__ == "__main__":
    main()

"""Install the Debian packages that the tests want: ``_packages.py [--quick]``, for ``bin/test``.

Only as root on Debian. Anybody else is told what to install and which tests wait for it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SERVER = ("mariadb-server", "rabbitmq-server", "libmariadb-dev", "pkg-config", "gcc", "python3-dev")
SERVER_FILES = (
    Path("/usr/sbin/mariadbd"),
    Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Path("/usr/include/mariadb/mysql.h"),
)
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    if "--quick" in sys.argv[1:] or "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        return 0
    for packages, tests in missing():
        if os.getuid() == 0 and is_debian() and install(packages):
            continue
        sys.stderr.write(
            f"  {tests} wait for packages that are not here: "
            f"sudo apt-get install {' '.join(packages)}\n"
        )
    return 0


def missing() -> Iterator[tuple[tuple[str, ...], str]]:
    """Tell which packages are missing, and the tests that need them."""
    if not any(map(shutil.which, BROWSERS)):
        yield ("chromium",), "tests/browser"
    if not (all(path.exists() for path in SERVER_FILES) and shutil.which("pkg-config")):
        yield SERVER, "tests/integration/server"


def is_debian() -> bool:
    release = Path("/etc/os-release")
    system = release.read_text() if release.is_file() else ""
    return re.search(r"^ID=\"?(debian|raspbian)\"?$", system, re.MULTILINE) is not None


def install(packages: tuple[str, ...]) -> bool:
    sys.stderr.write(f"  … installing {' '.join(packages)}\n")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with services_stay_off():
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                [*apt, *arguments], env=environment, capture_output=True, text=True, check=False
            )
    if done.returncode:
        sys.stderr.write(f"{done.stdout}{done.stderr}")
    return done.returncode == 0


@contextmanager
def services_stay_off() -> Iterator[None]:
    """Keep Debian from starting the servers of the packages: the tests start their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())

"""Root file systems to boot machines from: made once, kept in the cache."""

import hashlib
import os
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from .places import cache_folder, remove_if_empty
from .shell import LabError, call
from .simulators import USER

PACKAGES = (
    "apt",
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
"""What a bare machine has: enough for ssh and Ansible. The roles bring the rest."""
ADD_USER = f'chroot "$1" useradd --system --user-group --no-create-home {USER}'
# A rolling suite's list is signed anew every few hours, but a mirror may lag behind.
_SID = ("--aptopt=Acquire::Check-Valid-Until false",)
_UBUNTU_SUITES = {"noble"}
_UBUNTU_MIRRORS = {"amd64": "http://archive.ubuntu.com/ubuntu"}
_UBUNTU_PORTS = "http://ports.ubuntu.com/ubuntu-ports"
_UBUNTU_KEYRING = "https://archive.ubuntu.com/ubuntu/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
# That file; it holds key F6ECB3762474EDA9D21B7022871920D1991BC93C, which signs Ubuntu's archive.
_UBUNTU_KEYRING_SHA256 = "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8"
_SIGNED_BY = re.compile(r"\[signed-by=[^\]]*\] ")
_OURS = re.compile(r"[a-z]+-[0-9a-f]{12}(\.packages)?|ubuntu-keyring")


def image_name(suite: str, extra: Sequence[str] = ()) -> str:
    """Name the image of a suite with these further packages. Other packages, other name."""
    wanted = "\n".join([*sorted({*PACKAGES, *extra}), ADD_USER])
    return f"{suite}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def image(suite: str, extra: Sequence[str] = ()) -> Path:
    """Get the image, made now if it is not there yet (about 20 s and 270 MB).

    Raises:
        LabError: it cannot be made.
    """
    folder = cache_folder() / image_name(suite, extra)
    if folder.is_dir():
        return folder
    interim = folder.with_name(f".{folder.name}.{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    clear_interims(folder.parent)
    try:
        call(
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(sorted({*PACKAGES, *extra}))}",
            f"--customize-hook={ADD_USER}",
            *(_SID if suite == "sid" else ()),
            suite,
            str(interim),
            *(_ubuntu(suite) if suite in _UBUNTU_SUITES else ()),
            what=f"making a root file system of {suite}",
        )
        _finish(interim)
        interim.rename(folder)
    finally:
        if interim.exists():
            shutil.rmtree(interim)
    return folder


def clear_interims(folder: Path) -> None:
    """Remove what image makers have left behind that were broken off."""
    for path in folder.glob(".*-*.*"):
        maker = path.suffix.removeprefix(".")
        if maker.isdecimal() and not Path("/proc", maker).exists():
            shutil.rmtree(path)


def package_layer(name: str) -> Path:
    """Get the layer with Debian packages that earlier machines of this image have fetched."""
    return cache_folder() / f"{name}.packages"


def keep_packages(uppers: Sequence[Path], layer: Path) -> int:
    """Keep the Debian packages that machines have fetched, for the next ones. How many are new.

    Only while no machine is up: a layer must not change under an overlay.
    """
    target = layer / "var/cache/apt/archives"
    target.mkdir(parents=True, exist_ok=True)
    kept = 0
    for upper in uppers:
        for package in (upper / "var/cache/apt/archives").glob("*.deb"):
            if not (target / package.name).exists():
                interim = target / f".{package.name}"
                shutil.copyfile(package, interim)
                interim.rename(target / package.name)
                kept += 1
    return kept


def remove_images() -> None:
    """Remove everything that this module has put into the cache."""
    folder = cache_folder()
    for path in folder.iterdir() if folder.is_dir() else ():
        if _OURS.fullmatch(path.name):
            shutil.rmtree(path)
    remove_if_empty(folder)


def _ubuntu(suite: str) -> list[str]:
    """Get where Ubuntu's packages are and by which key they are signed.

    Raises:
        LabError: the key cannot be had, or it is another one.
    """
    keyring = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    if not keyring.exists():
        keyring = _ubuntu_keyring()
    mirror = _UBUNTU_MIRRORS.get(call("dpkg", "--print-architecture").strip(), _UBUNTU_PORTS)
    return [
        f"deb [signed-by={keyring}] {mirror} {pocket} main universe"
        for pocket in (suite, f"{suite}-updates", f"{suite}-security")
    ]


def _ubuntu_keyring() -> Path:
    folder = cache_folder() / "ubuntu-keyring"
    keyring = folder / "usr/share/keyrings/ubuntu-archive-keyring.gpg"
    if keyring.exists():
        return keyring
    address = _UBUNTU_KEYRING
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - https, ours
            package = answer.read()
    except OSError as error:
        raise LabError(f"{address} cannot be fetched: {error}") from error
    if hashlib.sha256(package).hexdigest() != _UBUNTU_KEYRING_SHA256:
        raise LabError(f"{address} is not the file that tests/lab/image.py expects")
    with tempfile.NamedTemporaryFile(suffix=".deb") as file:
        file.write(package)
        file.flush()
        call("dpkg-deb", "-x", file.name, str(folder))
    return keyring


def _finish(folder: Path) -> None:
    """Take away what must differ between machines, and turn the network on."""
    (folder / "etc/machine-id").write_text("", encoding="ascii")
    for key in (folder / "etc/ssh").glob("ssh_host_*_key*"):
        key.unlink()
    (folder / "etc/resolv.conf").unlink(missing_ok=True)
    sources = folder / "etc/apt/sources.list"
    if sources.exists():
        # The key's path is one of this computer; inside, the distribution's own keyring counts.
        text = sources.read_text(encoding="utf-8")
        sources.write_text(_SIGNED_BY.sub("", text), encoding="utf-8")
    wants = folder / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    link = wants / "systemd-networkd.service"
    if not link.is_symlink():
        link.symlink_to("/lib/systemd/system/systemd-networkd.service")

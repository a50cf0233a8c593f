"""Debian's own kernel and what it needs to start: made once, kept in the cache.

Nothing is installed on this computer: the package is unpacked, a few files of it are kept.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .image import clear_interims
from .machines import alone
from .places import cache_folder
from .shell import LabError, call

SUITE = "bookworm"
PACKAGES = ("busybox-static", "linux-image-amd64")
"""The variant for clouds (linux-image-cloud-amd64) has neither CAN nor 9p."""
MODULES = ("virtio_pci", "virtio_rng", "9pnet_virtio", "9p", "vcan", "can_raw", "kvaser_pci")
"""What the guest needs beside what is built in; each brings those that it depends on."""
INIT = Path(__file__).with_name("guest_init.sh")
_FOLDER, _PROGRAM, _FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel and its initial file system, as QEMU takes them."""

    image: Path
    initial: Path

    @property
    def release(self) -> str:
        """Its version, such as ``6.1.0-56-amd64``."""
        return (self.image.parent / "release").read_text(encoding="ascii").strip()


def kernel() -> Kernel:
    """Get the kernel, made now if it is not there yet (about 40 s, 500 MB meanwhile, 12 MB kept).

    Raises:
        LabError: it cannot be made, or another ``bin/lab`` is at work.
    """
    wanted = "\n".join([SUITE, *PACKAGES, *MODULES, INIT.read_text(encoding="ascii")])
    # The name is one of those that `bin/lab down --all` removes.
    folder = cache_folder() / f"kernel-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    found = Kernel(folder / "vmlinuz", folder / "initramfs")
    if folder.is_dir():
        return found
    interim = folder.with_name(f".{folder.name}.{os.getpid()}")
    with alone():
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_interims(folder.parent)
        try:
            _make(interim)
            interim.rename(folder)
        finally:
            if interim.exists():
                shutil.rmtree(interim)
    return found


def _make(folder: Path) -> None:
    tree = folder / "tree"
    folder.mkdir()
    call(
        "mmdebstrap",
        "--variant=extract",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(tree),
        what=f"unpacking the kernel of {SUITE}",
    )
    images = list((tree / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise LabError(f"{PACKAGES} of {SUITE} bring {len(images)} kernels, one was expected")
    release = images[0].name.removeprefix("vmlinuz-")
    call("depmod", "-b", str(tree), release)
    files = {
        "init": (_PROGRAM, INIT.read_bytes()),
        "bin/busybox": (_PROGRAM, (tree / "bin/busybox").read_bytes()),
        **_modules(tree, release),
    }
    (folder / "initramfs").write_bytes(b"".join(archive(files)))
    shutil.copyfile(images[0], folder / "vmlinuz")
    (folder / "release").write_text(f"{release}\n", encoding="ascii")
    shutil.rmtree(tree)


def _modules(tree: Path, release: str) -> dict[str, tuple[int, bytes]]:
    """Get the modules, and the order in which they can be loaded."""
    order: dict[str, Path] = {}
    for module in MODULES:
        said = call("modprobe", "-d", str(tree), "-S", release, "--show-depends", module)
        for line in said.splitlines():
            # "builtin NAME" has nothing to load; options may follow the path.
            word, _, rest = line.partition(" ")
            if word == "insmod":
                path = Path(rest.split()[0])
                order.setdefault(path.name, path)
    return {
        "modules/order": (_FILE, "".join(f"{name}\n" for name in order).encode()),
        **{f"modules/{name}": (_FILE, path.read_bytes()) for name, path in order.items()},
    }


def archive(files: Mapping[str, tuple[int, bytes]]) -> Iterator[bytes]:
    """Make the archive that a kernel takes as its first root (cpio "newc")."""
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    entries = dict.fromkeys(sorted(folders), (_FOLDER, b""))
    entries |= files
    entries["TRAILER!!!"] = (0, b"")
    for number, (name, (mode, data)) in enumerate(entries.items(), 1):
        named = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(named), 0)
        head = b"070701" + b"".join(b"%08X" % one for one in fields) + named
        yield head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)

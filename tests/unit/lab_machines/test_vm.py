"""What the virtual machine of ``bin/lab vm`` is started with, and what is made of its end."""

from pathlib import Path

import pytest
from tests.lab import vm
from tests.lab.kernel import Kernel, archive
from tests.lab.shell import LabError

KERNEL = Kernel(Path("/cache/vmlinuz"), Path("/cache/initramfs"))


def members(data: bytes) -> list[tuple[str, int, bytes]]:
    """Read an archive as a kernel does: name, mode and content of each member."""
    found, at = [], 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, named = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + named]
        assert name.endswith(b"\0")
        begin = at + (110 + named + 3) // 4 * 4
        found.append((name[:-1].decode(), mode, data[begin : begin + size]))
        at = begin + (size + 3) // 4 * 4
    return found


def test_the_archive_has_folders_before_what_is_in_them() -> None:
    files = {"init": (0o100755, b"#!"), "modules/order": (0o100644, b"12345")}
    assert members(b"".join(archive(files))) == [
        ("modules", 0o040755, b""),
        ("init", 0o100755, b"#!"),
        ("modules/order", 0o100644, b"12345"),
        ("TRAILER!!!", 0, b""),
    ]


def test_this_computer_can_only_be_read_from_inside(tmp_path: Path) -> None:
    shares = [one for one in vm.command(KERNEL, tmp_path) if "mount_tag" in one]
    assert [("path=/," in one, "readonly=on" in one) for one in shares] == [
        (True, True),
        (False, False),
    ]


def test_a_machine_that_ended_before_its_tests_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="before its tests"):
        vm.exit_code(tmp_path)
    (tmp_path / "code").write_text("1\n")
    assert vm.exit_code(tmp_path) == 1


def test_nothing_run_is_no_success(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    results.write_text('<testsuites><testsuite tests="3" skipped="3" time="1.5"/></testsuites>')
    with pytest.raises(LabError, match="no test"):
        vm.summary(results)
    results.write_text('<testsuites><testsuite tests="3" skipped="1" time="1.5"/></testsuites>')
    assert vm.summary(results) == (2, 1.5)

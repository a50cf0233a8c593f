"""Which ports and buses a search looks at, and what their places are called."""

from pathlib import Path

import pytest

from bem_drivers.finding import (
    address_of,
    can_interfaces,
    place_names,
    port_of,
    same_place,
    serial_ports,
)
from bem_drivers.line import TcpSettings


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    """Get a /dev with two adapters, one of which has stable names."""
    for folder in ("bem", "serial/by-id"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("ttyUSB0", "ttyACM0", "ttyS0"):
        (tmp_path / name).touch()
    (tmp_path / "bem/ea-123").symlink_to(tmp_path / "ttyUSB0")
    (tmp_path / "serial/by-id/usb-FTDI").symlink_to(tmp_path / "ttyUSB0")
    (tmp_path / "serial/by-id/usb-Arduino").symlink_to(tmp_path / "ttyACM0")
    return tmp_path


def test_each_port_is_there_once_by_its_most_stable_name(dev: Path) -> None:
    assert serial_ports(dev=dev) == [str(dev / "bem/ea-123"), str(dev / "serial/by-id/usb-Arduino")]


def test_ports_of_other_kinds_are_left_out_by_any_name(dev: Path) -> None:
    assert serial_ports(without=[str(dev / "ttyUSB0")], dev=dev) == [
        str(dev / "serial/by-id/usb-Arduino")
    ]


def test_further_ports_count_if_they_are_there(dev: Path) -> None:
    (dev / "pts").touch()
    further = [str(dev / "pts"), str(dev / "gone"), str(dev / "ttyACM0")]
    assert serial_ports(further, dev=dev)[2:] == [str(dev / "pts")]


def test_a_link_without_its_device_is_no_port(dev: Path) -> None:
    (dev / "ttyUSB0").unlink()
    assert serial_ports(dev=dev) == [str(dev / "serial/by-id/usb-Arduino")]


def test_can_interfaces_that_are_up(tmp_path: Path) -> None:
    for name, kind, flags in (
        ("can1", "280", "0x1"),
        ("can0", "280", "0x40041"),
        ("can2", "280", "0x40080"),
        ("eth0", "1", "0x1003"),
        ("odd", "", ""),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
        (tmp_path / name / "flags").write_text(f"{flags}\n")
    assert can_interfaces(tmp_path) == ["can0", "can1"]
    assert can_interfaces(tmp_path / "none") == []


def test_two_names_of_a_port_are_one_place(dev: Path) -> None:
    real, stable = dev / "ttyUSB0", dev / "bem/ea-123"
    assert same_place(f"serial {stable}") == f"serial {real}"
    assert same_place(f"slcan:{stable}@115200, EPC 0x13") == f"slcan:{real}, EPC 0x13"
    assert same_place("tcp 10.0.0.5:5025") == "tcp 10.0.0.5:5025"


def test_the_port_of_a_place() -> None:
    assert port_of("serial /dev/bem/ea-123") == "/dev/bem/ea-123"
    assert port_of("slcan:/dev/ttyACM0@115200, EPC 0x13") == "/dev/ttyACM0"
    assert port_of("socketcan:can0, EPC 0x13") is None


@pytest.mark.parametrize(
    ("driver", "settings", "places"),
    [
        ("epc", {"bus": {"channel": "can0"}, "device_id": 20}, ("socketcan:can0, EPC 0x14",)),
        (
            "epc",
            {"bus": {"interface": "slcan", "channel": "/dev/x"}},
            ("slcan:/dev/x, EPC 0x13",),
        ),
        ("bms", {"bus": {"channel": "can0"}}, ("socketcan:can0, BMS 0x101",)),
        ("flow", {"address": {"kind": "serial", "port": "/dev/f"}}, ("serial /dev/f",)),
        ("virtual", {}, ()),
    ],
)
def test_a_device_has_the_name_that_a_search_gives_it(
    driver: str, settings: dict[str, object], places: tuple[str, ...]
) -> None:
    assert place_names(driver, settings) == places


@pytest.mark.parametrize(
    ("place", "host", "port"),
    [
        ("tcp 10.0.0.5:5025", "10.0.0.5", 5025),
        ("tcp supply.example.org:80", "supply.example.org", 80),
        ("tcp [2001:db8::1]:5025", "2001:db8::1", 5025),
    ],
)
def test_the_address_of_a_place_is_the_one_that_names_it(place: str, host: str, port: int) -> None:
    address = address_of(place)
    assert address == TcpSettings(host=host, port=port)
    assert address.name == place


@pytest.mark.parametrize("place", ["serial /dev/x", "tcp here", "tcp here:0", "tcp here:x"])
def test_what_is_no_address_has_none(place: str) -> None:
    assert address_of(place) is None

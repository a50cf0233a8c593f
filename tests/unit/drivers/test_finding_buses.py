"""Whom a search asks on a CAN bus, and whom it leaves alone."""

from collections.abc import Callable
from itertools import pairwise

from tests.support.clock import ManualClock
from tests.unit.drivers.conftest import UnitLink

from bem_drivers import bms, epc
from bem_drivers.can import CanSettings, Frame
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.finding import CanProbe, Found, InUse, Seen, Unknown
from bem_drivers.finding.buses import LISTEN_S, SPACING_S, Listening, search_bus

BUS = CanSettings(channel="can0")
EPC = "socketcan:can0, EPC 0x13"
NS = 1_000_000_000
BMS_MESSAGE = [
    bytes.fromhex(line)
    for line in (
        "60E40CE50CE60CE7",
        "610CE80CE90CEA0C",
        "62EB0CEC0CED0CEE",
        "630CEF0C709BC800",
        "64C900CA00CB00F5",
        "6503F603",
    )
]


class Bus(UnitLink):
    """A bus with one converter, where others send ``frames`` besides."""

    def __init__(self, clock: ManualClock, *frames: Frame, **settings: object) -> None:
        unit = EpcUnit(EpcUnitSettings.model_validate(settings), clock.now_ns, lambda *_facts: None)
        super().__init__(unit, clock)
        self._frames = frames

    def open(self) -> None:
        super().open()
        self.arrived.extend(self._frames)


def listenings() -> list[Listening]:
    made = []
    for spec in (bms.DRIVER, epc.DRIVER):
        assert spec.probe is not None
        probe = spec.probe()
        assert isinstance(probe, CanProbe)
        made.append(Listening(spec, probe))
    return made


def search(
    clock: ManualClock, bus: Bus, user: Callable[[str], str | None] = lambda _place: None
) -> list[Seen]:
    began_ns = clock.now_ns
    seen = search_bus(BUS, listenings(), bus, clock, user)
    assert not bus.plugged
    assert clock.now_ns - began_ns <= (LISTEN_S + 0.1) * NS
    return seen


def asked(bus: Bus) -> list[int]:
    """Get the units that were sent something."""
    return [frame.frame_id >> 4 for _, frame in bus.sent]


def test_a_free_converter_is_found_with_what_its_driver_takes(clock: ManualClock) -> None:
    [found] = search(clock, Bus(clock, device_id=0x13, serial_number=7))
    assert isinstance(found, Found)
    assert (found.place, found.driver) == (EPC, "epc")
    assert found.settings == {
        "bus": {"channel": "can0"},
        "device_id": 0x13,
        "serial_number": 7,
    }
    assert found.identity.serial == "7"
    assert epc.DRIVER.places(epc.DRIVER.settings.model_validate(found.settings)) == (EPC,)


def test_every_unit_is_asked_who_it_is_once_and_nothing_else(clock: ManualClock) -> None:
    bus = Bus(clock)
    search(clock, bus)
    assert asked(bus) == [0x00, *range(0x13, 0x40)]
    assert {(frame.frame_id & 0xF, frame.data) for _, frame in bus.sent} == {(0x1, b"\x00")}
    instants = [at_ns for at_ns, _ in bus.sent]
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    assert min(gaps) >= SPACING_S * NS


def test_a_converter_in_use_gets_no_frame(clock: ManualClock) -> None:
    """One more request could put it out of action until it is switched off and on."""
    bus = Bus(clock)
    seen = search(clock, bus, {EPC: "station left"}.get)
    assert seen == [InUse(EPC, "station left")]
    assert 0x13 not in asked(bus)
    assert 0x14 in asked(bus)


def test_a_converter_that_somebody_talks_to_gets_no_frame(clock: ManualClock) -> None:
    bus = Bus(clock, Frame(0x131, b"\x03"), Frame(0x13C, bytes.fromhex("730EFCFF401F")))
    [seen] = search(clock, bus)
    assert isinstance(seen, InUse)
    assert seen.place == EPC
    assert 0x13 not in asked(bus)


def test_a_bms_is_found_by_listening(clock: ManualClock) -> None:
    bus = Bus(clock, *(Frame(0x105, data) for data in BMS_MESSAGE), device_id=0x20)
    found = search(clock, bus)[0]
    assert isinstance(found, Found)
    assert (found.driver, found.place) == ("bms", "socketcan:can0, BMS 0x105")
    assert found.settings == {"bus": {"channel": "can0"}, "can_id": 0x105}
    assert not any(0x100 <= frame.frame_id <= 0x120 for _, frame in bus.sent)


def test_a_bms_in_error_is_one_too(clock: ManualClock) -> None:
    bus = Bus(clock, Frame(0x101, b"\x10ERROR\x00\x04"))
    assert any(isinstance(one, Found) and one.driver == "bms" for one in search(clock, bus))


def test_half_a_message_is_no_bms(clock: ManualClock) -> None:
    bus = Bus(clock, *(Frame(0x101, data) for data in BMS_MESSAGE[:3]))
    assert [one.place for one in search(clock, bus)] == [EPC]


def test_what_nobody_knows_is_shown_with_its_newest_frame(clock: ManualClock) -> None:
    bus = Bus(clock, Frame(0x555, b"\x01"), Frame(0x555, b"\x02\xff"))
    assert Unknown("socketcan:can0, CAN id 0x555", "02 FF") in search(clock, bus)


def test_an_answer_for_another_unit_is_none(clock: ManualClock) -> None:
    bus = Bus(clock, Frame(0x20A, bytes.fromhex("53000001")), device_id=0x13)
    assert [one.place for one in search(clock, bus) if isinstance(one, Found)] == [EPC]

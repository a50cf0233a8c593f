"""A simulated CAN bus with devices of different kinds: one frame at a time, the lowest first."""

from bem_drivers.bms.simulator import BmsUnit, BmsUnitSettings
from bem_drivers.can import Frame
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.simulation.can_bus import CanBus

SECOND = 1_000_000_000
MS = 1_000_000
BIT_NS = 8000
SHORT, ELECTRIC, FULL = 65, 115, 135
"""Bits of frames with 1, 6 and 8 bytes of data."""


class Listener:
    """A device that only listens, and does nothing by itself."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []

    def receive(self, can_id: int, _data: bytes, at_ns: int) -> None:
        self.heard.append((can_id, at_ns))

    def advance(self, _now_ns: int) -> list[tuple[int, bytes]]:
        return []

    def confirm(self, at_ns: int) -> None:
        raise AssertionError(f"it sent nothing, and was told at {at_ns} that it was carried")

    def next_due_ns(self) -> None:
        return None

    def break_down(self, order: str, _now_ns: int) -> None:
        raise ValueError(order)


def mixed(bitrate: int = 125_000) -> tuple[CanBus, Listener]:
    """Get a bus with an EPC, a BMS and somebody who listens, at the instant 0."""
    bus, listener = CanBus(bitrate), Listener()
    battery = BatteryModel(BatteryModelSettings())
    bus.join(EpcUnit(EpcUnitSettings(device_id=0x13), 0, on_bus=True), 0)
    bus.join(BmsUnit(BmsUnitSettings(can_id=0x101, period_s=1.0), battery, 0), 0)
    bus.join(listener, 0)
    assert bus.advance(SECOND // 2)
    return bus, listener


def test_a_question_waits_for_the_bms_that_sends_at_the_same_instant() -> None:
    bus, listener = mixed()
    bus.advance(SECOND - 1)
    bus.send(Frame(0x131, b"\x03"), SECOND)
    bus.advance(SECOND + 5 * MS)
    assert listener.heard == [(0x131, SECOND + (FULL + SHORT) * BIT_NS)]


def test_a_frame_on_the_bus_is_not_cut_off_and_the_next_waits_for_lower_identifiers() -> None:
    bus, listener = mixed()
    bus.advance(SECOND - 1)
    bus.send(Frame(0x131, b"\x03"), SECOND - 1)
    bus.send(Frame(0x131, b"\x03"), SECOND - 1)
    bus.advance(SECOND + 8 * MS)
    begun = SECOND - 1
    # The BMS has its sixth fragment ready only when the fifth has been carried for a while.
    assert [at_ns - begun for _, at_ns in listener.heard] == [
        SHORT * BIT_NS,
        (SHORT + 5 * FULL + SHORT) * BIT_NS,
    ]


def test_the_answer_and_the_fragments_come_one_after_the_other() -> None:
    bus, _ = mixed()
    bus.advance(SECOND - 1)
    busy_ns, carried = bus.busy_ns, bus.carried
    bus.send(Frame(0x131, b"\x03"), SECOND)
    arrived = bus.advance(SECOND + 50 * MS)
    assert sorted(frame.frame_id for frame in arrived) == [0x101] * 6 + [0x13C]
    assert [frame.data[0] & 0xF for frame in arrived if frame.frame_id == 0x101] == [*range(6)]
    assert bus.carried - carried == 8
    last = 95
    assert bus.busy_ns - busy_ns == (5 * FULL + last + SHORT + ELECTRIC) * BIT_NS


def test_half_the_bit_rate_takes_twice_as_long() -> None:
    bus, listener = mixed(62_500)
    bus.send(Frame(0x131, b"\x03"), SECOND // 2)
    bus.advance(SECOND // 2 + 10 * MS)
    assert listener.heard == [(0x131, SECOND // 2 + 2 * SHORT * BIT_NS)]

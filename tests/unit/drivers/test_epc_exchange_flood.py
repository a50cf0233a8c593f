"""Whoever floods the bus must not hold up the control loop."""

import pytest
from tests.support.clock import ManualClock

from bem_drivers.base import CommunicationLost
from bem_drivers.can import Frame
from bem_drivers.epc import frames
from bem_drivers.epc.exchange import ATTEMPTS, Exchange
from bem_drivers.epc.frames import Request


class FloodedLink:
    """There is always one more frame, and time passes with each."""

    def __init__(self, clock: ManualClock, frame_id: int) -> None:
        self.clock = clock
        self.frame_id = frame_id
        self.taken = 0

    def open(self) -> None:
        return

    def close(self) -> None:
        return

    def send(self, frame: Frame) -> None:
        assert frame.frame_id

    def receive(self, timeout_s: float) -> Frame:
        assert timeout_s >= 0
        self.taken += 1
        assert self.taken < 100_000, "it never comes back"
        self.clock.now_ns += 100_000
        return Frame(self.frame_id, bytes(4))


@pytest.mark.parametrize("frame_id", [0x13B, 0x14B], ids=["of the unit", "of another"])
def test_a_question_ends_in_time_under_a_flood_of_other_frames(frame_id: int) -> None:
    clock = ManualClock(0)
    exchange = Exchange(
        FloodedLink(clock, frame_id), 0x13, clock, 0.1, lambda _id, _data, _at: None
    )
    with pytest.raises(CommunicationLost):
        exchange.ask(frames.request(Request.ELECTRIC), Request.ELECTRIC.answer)
    assert clock.now_ns < ATTEMPTS * 150_000_000

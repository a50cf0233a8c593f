"""When a unit sends and how many frames it takes, in the rules of devices.md.

§2.6 "Scheduling" is :class:`TestScheduling`, "Host pacing constraints" :class:`TestPacing`.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.drivers.epc_wire import CC_1A, ERROR, IDLE, MS, Wire, ids, mode, started


@pytest.fixture
def wire() -> Wire:
    return started()


class TestScheduling:
    @pytest.mark.parametrize("phase_ms", [0.0, 0.05, 0.15, 0.3, 1.0, 5.0, 9.5, 9.99])
    def test_an_answer_takes_0_to_10_ms(self, wire: Wire, phase_ms: float) -> None:
        wire.wait(15 + phase_ms)
        wire.tell("001: 00")
        assert wire.wait(10.4) == ["00A: 40 00 00 01"]

    def test_both_polls_of_a_slot_take_all_that_is_there(self, wire: Wire) -> None:
        wire.tell("001: 00")
        wire.now_ns = 10 * MS + 50_000
        wire.tell("001: 02")
        assert ids(wire.wait(1)) == ["00A", "00B"]

    def test_a_frame_behind_the_polls_waits_for_the_next_slot(self, wire: Wire) -> None:
        wire.wait(5.15)
        assert wire.ask("001: 00", 9) == []
        assert ids(wire.wait(1.25)) == ["00A"]

    def test_status_on_change_comes_before_the_mode_within_10_ms(self, wire: Wire) -> None:
        wire.break_down("supply 5")
        assert wire.wait(10.4) == ["00B: 01 00 88 13", ERROR]

    def test_temperatures_are_sampled_each_second_from_1_s_on(self) -> None:
        wire = started(body_sensor=True)
        wire.wait(900)
        assert wire.ask("001: 04") == ["00D: 00 00 00 00 00 00"]
        wire.wait(200)
        assert wire.ask("001: 04") == ["00D: FA 00 00 00 00 00"]
        wire.break_down("body 30")
        assert wire.ask("001: 04") == ["00D: FA 00 00 00 00 00"]
        wire.wait(1000)
        assert wire.ask("001: 04") == ["00D: 2C 01 00 00 00 00"]

    def test_periodic_measures_come_by_themselves(self, wire: Wire) -> None:
        wire.ask("007: 14 00 15 00 29 00")  # electric each 100 ms, temperatures each 200 ms
        sent = ids(wire.wait(1000))
        assert (sent.count("00C"), sent.count("00D")) == (10, 5)

    @settings(max_examples=30)
    @given(st.lists(st.integers(1, 200), max_size=10))
    def test_how_often_it_is_looked_at_changes_nothing(self, steps: list[int]) -> None:
        def live(parts: list[int]) -> list[str]:
            wire = started()
            wire.tell(mode(0x05, 1000, 150))
            return [frame for part in parts for frame in wire.wait(part)]

        assert live(steps) == live([sum(steps)])


class TestPacing:
    def test_10_requests_0_6_ms_apart_lose_6(self, wire: Wire) -> None:
        wire.wait(4.95)
        answers: list[str] = []
        for _ in range(10):
            answers += wire.ask("001: 02", 0.6)
        assert len(answers + wire.wait(50)) == 4

    def test_the_newest_frame_overwrites_in_a_full_fifo(self, wire: Wire) -> None:
        for kind in ("00", "01", "02", "03"):
            wire.tell(f"001: {kind}")
        assert ids(wire.wait(10)) == ["00A", "000", "00C"]

    def test_a_fourth_answerable_frame_between_the_polls_kills_it_without_a_status(
        self, wire: Wire
    ) -> None:
        for _ in range(3):
            wire.tell("001: 00")
        wire.now_ns = 10 * MS + 50_000
        wire.tell("001: 00")
        assert ids(wire.wait(10)) == ["00A", "00A", "00A"]
        assert wire.silent()

    def test_three_answers_where_a_periodic_frame_is_due_end_the_step(self, wire: Wire) -> None:
        wire.ask("007: 14 00 15 00 14 00")
        wire.ask(CC_1A)
        for _ in range(12):
            for _ in range(3):
                wire.tell("001: 02")
            wire.wait(10)
        assert not wire.unit.output_on
        assert {"mode": "error", "reason": "mailboxes full"} in wire.of_kind("mode")

    def test_three_answers_lose_the_news_of_a_step_end_for_good(self, wire: Wire) -> None:
        wire.ask(mode(0x05, 1000, 20))
        wire.wait(10)
        for _ in range(3):
            wire.tell("001: 02")
        assert ids(wire.wait(10)) == ["00B", "00B", "00B"]
        assert wire.wait(1000) == []
        assert wire.ask("001: 01") == [IDLE]

    def test_one_frame_each_10_ms_is_safe(self, wire: Wire) -> None:
        answers = [len(wire.ask(f"001: {kind % 5:02X}")) for kind in range(500)]
        assert answers == [1] * 500

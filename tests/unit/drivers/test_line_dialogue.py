"""Question and answer: the answer to another question never passes for one's own."""

import pytest
from tests.support.clock import ManualClock

from bem_drivers.base import CommunicationLost, DeviceNotFound, ProtocolViolated
from bem_drivers.line import Dialogue
from bem_drivers.simulation import Faulty, LoopbackLine

MS = 1_000_000
TIMEOUT_S = 0.5


class Parrot:
    """Repeats a line if it has to, and answers one that ends in a question mark."""

    def __init__(self, echoes: bool = False) -> None:
        self.echoes = echoes

    def receive(self, line: str, _now_ns: int) -> list[str]:
        answers = [line] if self.echoes else []
        return [*answers, f"answer to {line}"] if line.endswith("?") else answers

    def advance(self, _now_ns: int) -> None:
        pass

    def break_down(self, order: str, _now_ns: int) -> None:
        raise ValueError(f"no fault {order!r}; there are: none")


class Rig:
    """A dialogue with a parrot that can have every common fault."""

    def __init__(self, clock: ManualClock, echoes: bool = False, spacing_s: float = 0.0) -> None:
        self.clock = clock
        self.unit = Faulty(Parrot(echoes))
        self.link = LoopbackLine(self.unit, clock)
        self.dialogue = Dialogue(self.link, "parrot", clock, TIMEOUT_S, spacing_s)
        self.dialogue.open()

    def ask(self, line: str) -> str:
        return self.dialogue.ask(line)[0]

    def order(self, order: str) -> None:
        self.unit.break_down(order, self.clock.now_ns)


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    return Rig(clock)


def test_an_answer_has_the_instant_at_which_it_came(rig: Rig) -> None:
    rig.link.delay_next(0.2)
    asked_ns = rig.clock.now_ns
    assert rig.dialogue.ask("V?") == ("answer to V?", asked_ns + 200 * MS)


def test_no_answer_is_told_after_the_timeout(rig: Rig) -> None:
    rig.link.drop_next()
    asked_ns = rig.clock.now_ns
    with pytest.raises(CommunicationLost, match=r"parrot at loopback.*'V\?'.*0.5 s"):
        rig.ask("V?")
    assert rig.clock.now_ns - asked_ns == 500 * MS
    assert rig.ask("A?") == "answer to A?"


def test_a_late_answer_is_not_the_next_ones(rig: Rig) -> None:
    rig.link.delay_next(0.8)
    with pytest.raises(CommunicationLost):
        rig.ask("V?")
    rig.link.delay_next(0.4)
    assert rig.ask("A?") == "answer to A?"
    assert rig.ask("W?") == "answer to W?"


def test_a_late_answer_is_not_the_next_ones_on_a_line_opened_again(rig: Rig) -> None:
    rig.link.delay_next(0.8)
    with pytest.raises(CommunicationLost):
        rig.ask("V?")
    rig.dialogue.close()
    rig.dialogue.open()
    rig.link.delay_next(0.4)
    assert rig.ask("A?") == "answer to A?"


def test_a_doubled_answer_is_not_the_next_ones(rig: Rig) -> None:
    rig.order("double 1")
    assert rig.ask("V?") == "answer to V?"
    assert rig.ask("A?") == "answer to A?"


def test_half_an_answer_is_none_and_costs_one_more_question(rig: Rig) -> None:
    rig.order("half 1")
    for question in ("V?", "A?"):
        with pytest.raises(CommunicationLost):
            rig.ask(question)
    assert rig.ask("W?") == "answer to W?"


def test_noise_is_told_and_the_next_question_is_answered(rig: Rig) -> None:
    rig.order("garbage 1")
    with pytest.raises(ProtocolViolated):
        rig.ask("V?")
    assert rig.ask("A?") == "answer to A?"


def test_an_order_to_switch_off_does_not_wait_for_a_lost_answer(rig: Rig) -> None:
    rig.order("silent on")
    with pytest.raises(CommunicationLost):
        rig.ask("V?")
    now_ns = rig.clock.now_ns
    rig.dialogue.tell("OUTP OFF")
    assert rig.link.sent[-1] == (now_ns, "OUTP OFF")


def test_a_device_that_talks_without_being_asked_does_not_hold_the_loop(rig: Rig) -> None:
    rig.link.drop_next()
    with pytest.raises(CommunicationLost):
        rig.ask("V?")
    for count in range(1, 100):
        rig.link.delay_next(count * 0.1)
        rig.link.send("news?")
    asked_ns = rig.clock.now_ns
    with pytest.raises(ProtocolViolated, match="without being asked"):
        rig.ask("A?")
    assert rig.clock.now_ns - asked_ns <= 2_000 * MS


def test_lines_keep_their_distance(clock: ManualClock) -> None:
    rig = Rig(clock, spacing_s=0.05)
    rig.dialogue.tell("A")
    rig.dialogue.tell("B")
    rig.ask("C?")
    rig.ask("D?")
    instants = [at_ns for at_ns, _ in rig.link.sent]
    assert [later - instants[0] for later in instants] == [0, 50 * MS, 100 * MS, 150 * MS]


def test_a_pulled_out_line_is_told_and_can_be_opened_again(rig: Rig) -> None:
    rig.link.unplugged = True
    with pytest.raises(CommunicationLost, match="plug it in"):
        rig.ask("V?")
    with pytest.raises(DeviceNotFound):
        rig.dialogue.open()
    rig.link.unplugged = False
    with pytest.raises(CommunicationLost, match="open the device again"):
        rig.ask("V?")
    rig.dialogue.open()
    assert rig.ask("V?") == "answer to V?"


class TestEcho:
    def test_the_echo_is_no_answer(self, clock: ManualClock) -> None:
        rig = Rig(clock, echoes=True)
        rig.dialogue.tell(":FUNC RES", echo=True)
        assert rig.dialogue.ask(":FETC?", echo=True)[0] == "answer to :FETC?"

    def test_another_line_in_its_place_is_told(self, clock: ManualClock) -> None:
        rig = Rig(clock, echoes=True)
        rig.link.replace_next("1.5")
        with pytest.raises(ProtocolViolated, match=r"'1.5' came where the echo of ':FETC\?'"):
            rig.dialogue.ask(":FETC?", echo=True)
        assert rig.dialogue.ask(":FETC?", echo=True)[0] == "answer to :FETC?"

    def test_an_order_without_echo_is_told(self, clock: ManualClock) -> None:
        rig = Rig(clock)
        with pytest.raises(CommunicationLost, match=":FUNC RES"):
            rig.dialogue.tell(":FUNC RES", echo=True)

    def test_a_lost_answer_after_its_echo_is_told_in_time(self, clock: ManualClock) -> None:
        rig = Rig(clock, echoes=True)
        rig.link.drop_next(2)
        asked_ns = clock.now_ns
        with pytest.raises(CommunicationLost):
            rig.dialogue.ask(":FETC?", echo=True)
        assert clock.now_ns - asked_ns == 500 * MS


class TestFaults:
    def test_each_spoils_as_many_answers_as_ordered(self, rig: Rig) -> None:
        rig.order("wrong 7 V")
        assert rig.ask("V?") == "7 V"
        rig.order("drop 2")
        for _ in range(2):
            with pytest.raises(CommunicationLost):
                rig.ask("V?")
        assert rig.ask("V?") == "answer to V?"

    def test_late_ones_come_later_until_it_is_over(self, rig: Rig) -> None:
        rig.order("late 300")
        asked_ns = rig.clock.now_ns
        assert rig.dialogue.ask("V?")[1] == asked_ns + 300 * MS
        rig.order("late off")
        asked_ns = rig.clock.now_ns
        assert rig.dialogue.ask("V?")[1] == asked_ns

    @pytest.mark.parametrize(
        "order", ["silent", "silent maybe", "drop x", "half -1", "late soon", "explode"]
    )
    def test_what_is_no_order_is_told(self, rig: Rig, order: str) -> None:
        with pytest.raises(ValueError, match=order.partition(" ")[0]):
            rig.order(order)

    def test_an_unknown_one_tells_what_there_is(self, rig: Rig) -> None:
        with pytest.raises(ValueError, match=r"there are: none; .*silent on\|off.*wrong TEXT"):
            rig.order("explode")

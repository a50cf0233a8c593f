"""The BMS driver on a simulated BMS, with a clock that only tests turn."""

import re
import threading
import time
from pathlib import Path

import can
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.support.fuzzing import fuzz
from tests.unit.drivers.bms_bench import BUS, BmsBench, make_bench

from bem_drivers.base import (
    CommunicationLost,
    DeviceError,
    DeviceFault,
    DeviceNotFound,
    ProtocolViolated,
    SystemClock,
)
from bem_drivers.bms import DRIVER
from bem_drivers.bms.codec import CHANNELS
from bem_drivers.can import Frame

S = 1_000_000_000
MS = 1_000_000
ROOT = Path(__file__).parents[3]


@pytest.fixture
def bench(clock: ManualClock) -> BmsBench:
    """Get an opened BMS on a vanadium stack of 12 cells."""
    bench = make_bench(clock)
    bench.driver.open()
    return bench


class TestOpening:
    def test_it_waits_for_the_first_message(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        before_ns = clock.now_ns
        bench.driver.open()
        assert clock.now_ns - before_ns == pytest.approx(1 * S, abs=10 * MS)
        assert set(bench.told()) == {channel.name for channel in bench.driver.channels}
        assert len(bench.driver.channels) == 19

    def test_who_comes_in_the_middle_waits_for_the_next(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        clock.now_ns += S + 3 * MS
        bench.driver.open()
        assert bench.told()["stack_voltage"] > 10

    def test_silence_is_told_with_a_remedy(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        bench.order("silent on")
        with pytest.raises(DeviceNotFound, match=r"0x101 .* within 5 s; not a single .*powered"):
            bench.driver.open()
        assert clock.now_ns == pytest.approx(6 * S, abs=10 * MS)
        with pytest.raises(CommunicationLost, match="unplugged"):
            bench.link.receive(0.0)

    def test_a_bus_that_is_not_there(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        bench.link.there = False
        with pytest.raises(DeviceNotFound, match="plug it in"):
            bench.driver.open()

    def test_a_bus_that_goes_while_waiting(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        original = bench.unit.next_due_ns

        def pull() -> int:
            bench.link.there = False
            return original()

        bench.unit.next_due_ns = pull  # type: ignore[method-assign]  # one test's unit
        with pytest.raises(DeviceNotFound, match="unplugged"):
            bench.driver.open()

    def test_another_kind_of_message_is_told(self, clock: ManualClock) -> None:
        bench = make_bench(clock, {"open_timeout_s": 1.5})
        bench.order("words 17")
        with pytest.raises(DeviceNotFound, match="a message of 34 bytes in 5 fragments"):
            bench.driver.open()

    def test_nothing_but_errors_is_a_fault(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        bench.order("error 0x0C")
        with pytest.raises(DeviceFault, match="leakage, v_stacks"):
            bench.driver.open()

    def test_an_error_before_the_first_message_is_told(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        bench.order("error_once 8")
        bench.driver.open()
        assert bench.driver.read().faults == ("leakage",)


class TestValues:
    def test_they_are_what_was_sent(self, bench: BmsBench) -> None:
        words = bench.sent_words()
        told = bench.told()
        assert told["cell_voltage_1"] == pytest.approx(words[0] / 1000)
        assert told["cell_voltage_12"] == pytest.approx(words[11] / 1000)
        assert told["stack_voltage"] == pytest.approx(words[12] / 1000)
        assert told["temperature_4"] == 25.0
        assert (told["pressure_1"], told["pressure_2"]) == (101_300.0, 101_400.0)

    def test_frost_is_negative(self, bench: BmsBench) -> None:
        bench.order("body -12.3")
        bench.clock.now_ns += S
        assert bench.told()["temperature_1"] == -12.3

    def test_units_that_the_maker_does_not_state_are_settings(self, clock: ManualClock) -> None:
        bench = make_bench(
            clock, {"volt_per_count": 0.01, "degc_per_count": 1.0, "pascal_per_count": 1.0}
        )
        bench.driver.open()
        words, told = bench.sent_words(), bench.told()
        assert told["stack_voltage"] == pytest.approx(words[12] / 100)
        assert (told["temperature_1"], told["pressure_2"]) == (250.0, 1014.0)

    def test_they_keep_the_instant_of_the_last_fragment(self, bench: BmsBench) -> None:
        arrival_ns = bench.clock.now_ns
        bench.clock.now_ns += 900 * MS
        assert {one.at_ns for one in bench.driver.read().values.values()} == {arrival_ns}

    def test_in_a_loop_no_value_looks_fresher_than_it_is(self, bench: BmsBench) -> None:
        for _ in range(200):
            (at_ns,) = {one.at_ns for one in bench.driver.read().values.values()}
            arrived = [began_ns for began_ns, kind, _ in bench.ledger if kind == "message"]
            now_ns = bench.clock.now_ns
            assert at_ns <= arrived[-1] + 6 * MS
            assert now_ns - at_ns < 1.2 * S
            bench.clock.now_ns += 100 * MS

    def test_after_a_hold_up_nothing_looks_fresh(self, bench: BmsBench) -> None:
        looked_ns = bench.clock.now_ns
        bench.driver.read()
        bench.clock.now_ns += 20 * S
        (at_ns,) = {one.at_ns for one in bench.driver.read().values.values()}
        assert at_ns == looked_ns
        bench.clock.now_ns += 1100 * MS
        (at_ns,) = {one.at_ns for one in bench.driver.read().values.values()}
        assert bench.clock.now_ns - at_ns <= 1100 * MS


class TestTroubles:
    @pytest.mark.parametrize("order", ["lost 0", "lost 3", "lost 5", "repeat 3", "swap 1"])
    def test_a_spoiled_message_is_left_out(self, bench: BmsBench, order: str) -> None:
        before = bench.driver.read()
        bench.order("voltage 15")
        bench.order(order)
        bench.clock.now_ns += S
        assert bench.driver.read() == before
        bench.clock.now_ns += S
        assert bench.told()["stack_voltage"] == 15.0

    @pytest.mark.parametrize("order", ["words 18", "words 20", "short 2", "short 5", "zeros on"])
    def test_a_wrong_message_is_an_error_once_and_no_value(
        self, bench: BmsBench, order: str
    ) -> None:
        before = bench.driver.read().values
        bench.order(order)
        bench.clock.now_ns += S
        with pytest.raises(ProtocolViolated, match=r"BMS 0x101 sent a message .*identifier"):
            bench.driver.read()
        assert bench.driver.read().values == before
        bench.clock.now_ns += S
        assert bench.driver.read().values != before

    def test_an_error_lasts_until_the_next_good_message(self, bench: BmsBench) -> None:
        bench.order("error 0x14")
        bench.clock.now_ns += S
        for _ in range(5):
            assert bench.driver.read().faults == ("temp", "v_stacks")
            bench.clock.now_ns += S
        bench.order("error off")
        bench.clock.now_ns += S
        bench.driver.read()
        bench.clock.now_ns += S
        assert bench.driver.read().faults == ()

    def test_an_incomplete_message_does_not_end_an_error(self, bench: BmsBench) -> None:
        bench.order("error_once 1")
        bench.order("lost 4")
        bench.clock.now_ns += S
        assert bench.driver.read().faults == ("hw",)
        assert bench.driver.read().faults == ("hw",)

    def test_an_error_between_two_readings_is_told_once(self, bench: BmsBench) -> None:
        bench.order("error_once 0x20")
        bench.clock.now_ns += 3 * S
        assert bench.driver.read().faults == ("pres",)
        assert bench.driver.read().faults == ()

    def test_an_error_is_told_after_a_wrong_message(self, bench: BmsBench) -> None:
        bench.order("error_once 0x02")
        bench.order("words 3")
        bench.clock.now_ns += S
        with pytest.raises(ProtocolViolated):
            bench.driver.read()
        assert bench.driver.read().faults == ("comm",)

    @pytest.mark.parametrize(
        ("code", "names"),
        [
            (0x01, ("hw",)),
            (0x02, ("comm",)),
            (0x04, ("v_stacks",)),
            (0x08, ("leakage",)),
            (0x10, ("temp",)),
            (0x20, ("pres",)),
            (0x3F, ("comm", "hw", "leakage", "pres", "temp", "v_stacks")),
            (0x00, ("unspecified",)),
            (0x41, ("hw", "unspecified")),
        ],
    )
    def test_every_code_has_its_name(
        self, bench: BmsBench, code: int, names: tuple[str, ...]
    ) -> None:
        bench.order(f"error {code}")
        bench.clock.now_ns += S
        assert bench.driver.read().faults == names

    def test_thirty_seconds_of_silence_are_a_loss(self, bench: BmsBench) -> None:
        silent_ns = bench.clock.now_ns
        bench.order("silent on")
        while bench.clock.now_ns - silent_ns <= 30 * S:
            bench.driver.read()
            bench.clock.now_ns += 100 * MS
        with pytest.raises(CommunicationLost, match=r"no complete message for 30\.1 s.*powered"):
            bench.driver.read()
        bench.order("silent off")
        bench.clock.now_ns += S
        bench.driver.read()

    def test_a_slow_loop_is_no_silence(self, bench: BmsBench) -> None:
        bench.clock.now_ns += 60 * S
        bench.driver.read()

    def test_after_a_slow_loop_the_next_reading_is_no_loss_either(self, bench: BmsBench) -> None:
        bench.clock.now_ns += 60 * S
        bench.driver.read()
        bench.clock.now_ns += 30 * MS
        bench.driver.read()

    def test_errors_alone_are_a_loss_too(self, bench: BmsBench) -> None:
        bench.order("error 1")
        bench.driver.read()
        bench.clock.now_ns += 31 * S
        with pytest.raises(CommunicationLost, match="frames came"):
            bench.driver.read()

    def test_halves_of_two_messages_are_not_put_together(self, bench: BmsBench) -> None:
        good = bench.unit.words(bench.clock.now_ns)
        bench.driver.read()
        bench.order("silent on")
        frames = [Frame(0x101, one) for one in _frames(good)]
        bench.link.arrived.extend(frames[:3])
        before = bench.driver.read()
        for _ in range(10):
            bench.clock.now_ns += 100 * MS
            bench.driver.read()
        bench.link.arrived.extend(frames[3:])
        assert bench.driver.read() == before

    def test_a_message_may_straddle_two_readings(self, bench: BmsBench) -> None:
        bench.order("voltage 14")
        bench.driver.read()
        bench.clock.now_ns = bench.unit.next_due_ns() + 2 * MS
        bench.driver.read()
        bench.clock.now_ns += 900 * MS
        assert bench.told()["stack_voltage"] == 14.0

    def test_what_was_lost_during_a_hold_up_is_not_mixed(self, bench: BmsBench) -> None:
        bench.driver.read()
        good = [Frame(0x101, one) for one in _frames(bench.unit.words(bench.clock.now_ns))]
        bench.order("silent on")
        bench.clock.now_ns += 10 * S
        bench.link.arrived.extend(good[:3])
        before = bench.driver.read()
        bench.link.arrived.extend(good[3:])
        assert bench.driver.read() == before

    def test_a_flood_does_not_hold_up_the_loop(self, bench: BmsBench) -> None:
        bench.link.arrived.extend([Frame(0x101, b"\x61")] * 5000)
        bench.driver.read()
        assert len(bench.link.arrived) == 4000


class TestPlugging:
    def test_an_unplugged_bus_is_told_at_once(self, bench: BmsBench) -> None:
        bench.link.there = False
        with pytest.raises(CommunicationLost):
            bench.driver.read()
        bench.driver.close()
        bench.driver.close()

    def test_after_plugging_in_nothing_old_is_told(self, bench: BmsBench) -> None:
        bench.order("error_once 1")
        bench.link.there = False
        with pytest.raises(CommunicationLost):
            bench.driver.read()
        bench.driver.close()
        bench.clock.now_ns += 60 * S
        bench.link.there = True
        opened_ns = bench.clock.now_ns
        bench.driver.open()
        reading = bench.driver.read()
        assert reading.faults == ()
        assert all(one.at_ns > opened_ns for one in reading.values.values())

    def test_an_error_before_a_wrong_message_is_told_after_opening_again(
        self, bench: BmsBench
    ) -> None:
        bench.order("error_once 0x10")
        bench.order("words 3")
        bench.clock.now_ns += S
        with pytest.raises(ProtocolViolated):
            bench.driver.read()
        bench.driver.close()
        bench.driver.open()
        assert bench.driver.read().faults == ("temp",)
        assert bench.driver.read().faults == ()

    def test_an_error_before_the_adapter_was_pulled_is_told_when_it_is_back(
        self, bench: BmsBench
    ) -> None:
        receive = bench.link.receive
        last = [Frame(0x101, b"\x10ERROR\x00\x10")]

        def pulled(timeout_s: float) -> Frame | None:
            if last:
                return last.pop()
            raise CommunicationLost("the adapter is unplugged")

        bench.link.receive = pulled  # type: ignore[method-assign]  # its last frame, then the loss
        with pytest.raises(CommunicationLost):
            bench.driver.read()
        bench.driver.close()
        with pytest.raises(DeviceNotFound):
            bench.driver.open()
        bench.link.receive = receive  # type: ignore[method-assign]  # as it was
        bench.driver.open()
        assert bench.driver.read().faults == ("temp",)
        assert bench.driver.read().faults == ()

    def test_an_error_that_was_told_is_not_told_after_opening_again(self, bench: BmsBench) -> None:
        bench.order("error 0x10")
        bench.clock.now_ns += S
        assert bench.driver.read().faults == ("temp",)
        bench.driver.close()
        bench.order("error off")
        bench.clock.now_ns += S
        bench.driver.open()
        assert bench.driver.read().faults == ()

    def test_an_error_that_kept_it_from_opening_is_not_told_again(self, clock: ManualClock) -> None:
        bench = make_bench(clock)
        bench.order("error 0x10")
        with pytest.raises(DeviceFault, match="temp"):
            bench.driver.open()
        bench.order("error off")
        clock.now_ns += S
        bench.driver.open()
        assert bench.driver.read().faults == ()

    def test_without_opening_nothing_is_told(self, clock: ManualClock) -> None:
        with pytest.raises(CommunicationLost):
            make_bench(clock).driver.read()

    def test_two_of_them_at_once(self, clock: ManualClock) -> None:
        first, second = make_bench(clock), make_bench(clock, {"can_id": 0x102}, can_id=0x102)
        first.driver.open()
        second.driver.open()
        first.order("error 1")
        second.order("voltage 17")
        clock.now_ns += 2 * S
        assert first.driver.read().faults == ("hw",)
        assert (second.driver.read().faults, second.told()["stack_voltage"]) == ((), 17.0)


def _frames(words: tuple[int, ...]) -> list[bytes]:
    data = b"".join(word.to_bytes(2, "little") for word in words)
    return [bytes([0x60 | n]) + data[7 * n : 7 * n + 7] for n in range(6)]


def _send_message(bus: can.BusABC, can_id: int) -> None:
    """Send a message once the driver listens."""
    time.sleep(0.1)
    for data in _frames(tuple(range(1, 20))):
        bus.send(can.Message(arbitration_id=can_id, data=data, is_extended_id=False))


class TestSettings:
    def test_another_bms_on_the_bus_is_not_heard(self) -> None:
        settings = {"bus": {"interface": "virtual", "channel": "bms"}, "open_timeout_s": 0.3}
        driver = DRIVER.make(DRIVER.settings.model_validate(settings), SystemClock())
        with can.Bus(interface="virtual", channel="bms") as bus:
            opening = threading.Thread(target=_send_message, args=(bus, 0x102))
            opening.start()
            with pytest.raises(DeviceNotFound, match="not a single frame of it came"):
                driver.open()
            opening.join()

    @pytest.mark.parametrize("can_id", [0x0FF, 0x121, 0x130])
    def test_other_identifiers_are_refused(self, can_id: int) -> None:
        with pytest.raises(ValidationError, match="can_id"):
            DRIVER.settings.model_validate({"bus": BUS, "can_id": can_id})

    def test_only_an_slcan_port_has_one_owner(self) -> None:
        slcan = {"interface": "slcan", "channel": "/dev/ttyACM0"}
        assert DRIVER.places(DRIVER.settings.model_validate({"bus": slcan})) == (
            "slcan:/dev/ttyACM0",
        )
        assert DRIVER.places(DRIVER.settings.model_validate({"bus": BUS})) == ()

    def test_the_examples_of_the_handbook_are_taken(self) -> None:
        text = (ROOT / "docs/devices/bms.md").read_text()
        examples = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert examples
        for example in examples:
            settings = DRIVER.settings.model_validate(yaml.safe_load(example)["settings"])
            assert DRIVER.make(settings, ManualClock()).identity.make == "Liftec"

    def test_every_channel_is_in_the_handbook(self) -> None:
        page = (ROOT / "docs/devices/bms.md").read_text()
        for name in {re.sub(r"\d+$", "1", channel.name) for channel in CHANNELS}:
            assert f"`{name}" in page


@fuzz
@given(st.lists(st.binary(max_size=8), max_size=30), st.integers(0, 2 * S))
def test_whatever_comes_only_device_errors_come_out(frames: list[bytes], passed_ns: int) -> None:
    bench = make_bench(ManualClock())
    bench.driver.open()
    good = bench.driver.read().values
    bench.order("silent on")
    bench.link.arrived.extend(Frame(0x101, data) for data in frames)
    bench.clock.now_ns += passed_ns
    try:
        reading = bench.driver.read()
    except DeviceError:
        return
    if reading.values != good:
        shapes = [(frame[:1].hex(), len(frame)) for frame in frames]
        whole = [*((f"6{index}", 8) for index in range(5)), ("65", 4)]
        assert any(shapes[at : at + 6] == whole for at in range(len(frames)))

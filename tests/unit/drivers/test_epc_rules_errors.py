"""What brings a unit into an error and what ends it, in the rules of devices.md.

§2.6 "Errors" is :class:`TestErrors`, "Heartbeat supervision" :class:`TestHeartbeat`, "CAN loss"
:class:`TestCanLoss`.
"""

import pytest
from tests.unit.drivers.epc_wire import CC_1A, ERROR, IDLE, MS, Wire, ids, mode, started


@pytest.fixture
def wire() -> Wire:
    return started()


class TestErrors:
    def test_none_of_them_latches_and_the_step_is_lost(self, wire: Wire) -> None:
        wire.ask(CC_1A)
        wire.break_down("voltage 0.1")
        assert wire.wait(20) == ["00B: 02 00 63 00", ERROR]
        wire.break_down("voltage off")
        # Its last error value stays.
        assert wire.wait(20) == ["00B: 00 00 63 00", IDLE]
        assert not wire.unit.output_on

    def test_over_current_clears_itself_and_shows_as_idle_alone(self, wire: Wire) -> None:
        wire.ask(CC_1A)
        assert wire.ask("003: 00 64 FF 9C", 25) == ["003: 64 00 9C FF", IDLE]
        assert wire.ask("001: 02") == ["00B: 00 00 E3 03"], "995 mA"

    @pytest.mark.parametrize(
        ("order", "status"),
        [
            ("supply 5", "00B: 01 00 88 13"),
            ("supply 14.5", "00B: 01 00 A2 38"),
            ("voltage 5.2", "00B: 02 00 50 14"),
        ],
    )
    def test_the_last_error_value_is_the_raw_reading(
        self, wire: Wire, order: str, status: str
    ) -> None:
        wire.break_down(order)
        assert wire.wait(20)[0] == status

    def test_the_last_error_value_of_a_temperature_is_signed(self) -> None:
        wire = started(ambient_sensor=True)
        wire.break_down("ambient -16.5")
        wire.wait(1100)
        assert wire.ask("001: 02") == ["00B: 10 00 5B FF"]

    @pytest.mark.parametrize("register", ["002: 12 5C 03 E8", "003: 07 D0 F8 30"])
    def test_limits_are_answered_and_not_taken(self, wire: Wire, register: str) -> None:
        before = wire.ask(f"001: {int(register[2]) + 4:02X}")
        wire.break_down("supply 5")
        wire.wait(20)
        assert wire.ask(register) == before

    @pytest.mark.parametrize(
        "frame",
        [
            *(f"001: {kind:02X}" for kind in range(11)),
            "002: 12 5C 03 E8",
            "007: 14 00 14 00 14 00",
            CC_1A,
        ],
    )
    def test_the_next_accepted_frame_ends_an_error_of_communication(self, frame: str) -> None:
        wire = silent_host()
        wire.ask(frame, 20)
        assert wire.ask("001: 01") == [IDLE]

    @pytest.mark.parametrize(
        "frame", ["001: 0B", "001: FF", mode(0x0A, 0, 0), mode(0x05, 15501, 1), "002: 12 5C 03"]
    )
    def test_a_refused_frame_does_not(self, frame: str) -> None:
        wire = silent_host()
        wire.ask(frame, 20)
        assert wire.of_kind("mode")[-1]["mode"] == "error"

    def test_an_internal_error_lasts_until_a_power_cycle(self, wire: Wire) -> None:
        wire.ask("008: 00")
        assert wire.silent()
        wire.break_down("unpowered on")
        wire.wait(100)
        assert wire.silent()
        wire.break_down("unpowered off")
        assert wire.wait(0.4) == [IDLE]
        assert wire.ask("001: 00") == ["00A: 40 00 00 01"]


def silent_host(period: int = 20) -> Wire:
    """Get a unit whose supervision of ``period`` times 5 ms has tripped."""
    wire = started()
    wire.ask("001: 05")
    field = period << 1 | 1
    wire.ask(f"007: {field.to_bytes(2, 'little').hex()} 14 00 14 00")
    frames = wire.wait(period * 5 + 10)
    assert frames == [f"00B: 08 00 {period.to_bytes(2, 'little').hex(' ').upper()}", ERROR]
    return wire


class TestHeartbeat:
    @pytest.mark.parametrize("period", [10, 11, 20, 200, 0x7FFF])
    def test_it_trips_after_its_period_of_5_ms_and_tells_its_counter(self, period: int) -> None:
        wire = silent_host(period)
        tripped_ns = next(
            at_ns for at_ns, kind, facts in wire.ledger if facts.get("reason") == "supervision"
        )
        # Reset at 10 ms; two polls each slot from then on.
        assert tripped_ns - 10 * MS == pytest.approx(period * 5 * MS, abs=10 * MS)

    def test_a_step_under_way_ends(self, wire: Wire) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        wire.ask(CC_1A)
        wire.wait(60)
        assert wire.unit.output_on
        wire.wait(30)
        assert not wire.unit.output_on

    def test_heartbeats_hold_it_off(self, wire: Wire) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        wire.ask(CC_1A)
        for _ in range(50):
            wire.ask("001: 05", 50)
        assert wire.unit.output_on

    @pytest.mark.parametrize("frame", ["001: 01", "001: 03", "002: 12 5C 03 E8", CC_1A])
    def test_no_other_frame_does(self, wire: Wire, frame: str) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        for _ in range(10):
            wire.ask(frame)
        assert {"mode": "error", "reason": "supervision"} in wire.of_kind("mode")

    def test_the_counter_runs_while_disabled_so_that_enabling_late_trips_at_once(
        self, wire: Wire
    ) -> None:
        wire.wait(500)
        answers = wire.ask("007: 29 00 14 00 14 00")
        assert [one[:7] for one in answers] == ["007: 29", "00B: 08", "000: 0A"]

    def test_a_heartbeat_just_before_prevents_that(self, wire: Wire) -> None:
        wire.wait(500)
        wire.ask("001: 05")
        assert wire.ask("007: 29 00 14 00 14 00") == ["007: 29 00 14 00 14 00"]

    def test_the_command_that_ends_the_error_is_echoed_and_discarded(self) -> None:
        wire = silent_host()
        echo, status, idle = wire.ask(CC_1A)
        assert (echo, status[:7], idle) == (CC_1A, "00B: 00", IDLE)
        wire.wait(50)
        assert not wire.unit.output_on

    @pytest.mark.parametrize("request_kind", ["05", "01"])
    def test_a_request_first_and_the_command_runs(self, request_kind: str) -> None:
        wire = silent_host()
        assert wire.ask(f"001: {request_kind}")[-1] == IDLE
        assert wire.ask(CC_1A)[0] == CC_1A
        assert wire.unit.output_on


class TestCanLoss:
    def test_a_step_goes_on_to_its_limit_unattended(self, wire: Wire) -> None:
        wire.ask(mode(0x05, 1000, 2000))
        wire.break_down("unplug on")
        wire.wait(1900)
        assert wire.unit.output_on
        wire.wait(110)
        assert not wire.unit.output_on

    def test_with_periodic_frames_it_ends_within_two_periods_and_the_status_is_lost(
        self, wire: Wire
    ) -> None:
        wire.ask("007: 14 00 15 00 15 00")  # both each 100 ms
        wire.ask(CC_1A)
        wire.break_down("unplug on")
        wire.wait(220)
        assert not wire.unit.output_on
        assert wire.of_kind("mode")[-1] == {"mode": "error", "reason": "mailboxes full"}
        wire.break_down("unplug off")
        frames = ids(wire.wait(5))
        assert frames == ["00C", "00D", "00C"], "what three mailboxes hold"

    def test_what_is_sent_to_an_unplugged_unit_is_lost(self, wire: Wire) -> None:
        wire.break_down("unplug on")
        assert wire.ask(CC_1A, 50) == []
        wire.break_down("unplug off")
        assert wire.wait(50) == []
        assert wire.ask("001: 01") == [IDLE]

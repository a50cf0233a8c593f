"""One EPC as its firmware 1.0.0 behaves on the wire, traps included.

The unit knows no clock and no port: frames are handed in with the instant they arrived, and
:meth:`EpcUnit.advance` returns what the unit sent until then. Layouts are written down here once
more, by hand and from the recorded frames, so that driver and simulator cannot agree on an error.

The firmware works in slots of 10 ms: received frames are handled in the first two ticks (0.1 ms
each) of a slot, status and periodic frames leave in its third, news of the mode in its fifth.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bem_drivers.base import OFF, Command, Mode
from bem_drivers.epc.simulator_stage import Bounds, EpcUnitSettings, PowerStage
from bem_drivers.model.regulator import substeps

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
TICK_NS = 100_000
SLOT_NS = 100 * TICK_NS
SLOT_END_NS = 4 * TICK_NS
BLANKING_NS = 100 * NS_PER_MS
TEMPERATURE_NS = NS_PER_S
IDLE_LOOK_SLOTS = 10
RUNNING_LOOK_SLOTS = 3
PERIOD_NS = 10 * NS_PER_MS
FIFO_DEPTH = 3
MAILBOXES = 3
BIT_NS = 8000
LEAST_PERIOD = 10

WAIT, CV, CC, CP, IDLE, ERROR = range(6)
TIME, VOLTAGE, CURRENT, POWER = range(4)
MODE_NAMES = ("wait", "cv", "cc", "cp", "idle", "error")
_POWERED = {CV: (Mode.CV, 1000), CC: (Mode.CC, 1000), CP: (Mode.CP, 10)}

HS_ERROR, LS_ERROR, CURRENT_ERROR, COMM_ERROR, TEMPERATURE_ERROR, INTERNAL_ERROR = (
    1 << bit for bit in range(6)
)
_BLOCKING = HS_ERROR | LS_ERROR | CURRENT_ERROR | TEMPERATURE_ERROR
_ERROR_NAMES = {
    HS_ERROR: "hs_voltage",
    LS_ERROR: "ls_voltage",
    CURRENT_ERROR: "ls_current",
    COMM_ERROR: "supervision",
    TEMPERATURE_ERROR: "temperature",
}

LS_VOLTAGE_REGISTER, LS_CURRENT_REGISTER, HS_VOLTAGE_REGISTER = 2, 3, 4
LS_POWER_REGISTER, TEMPERATURE_REGISTER = 5, 6
_REGISTER_NAMES = {2: "ls_voltage", 3: "ls_current", 4: "hs_voltage", 5: "ls_power", 6: "temp"}
_UNSIGNED = (LS_VOLTAGE_REGISTER, HS_VOLTAGE_REGISTER)
_RANGE = {2: (400, 5100), 3: (-15500, 15500), 4: (5300, 14100), 5: (-800, 800), 6: (-200, 700)}
_POWER_ON = _RANGE | {5: (-500, 500), 6: (-160, 660)}

Record = Callable[[int, str, Mapping[str, object]], None]


class UnitFrame(NamedTuple):
    """A frame of the unit: identifier on the bus and data."""

    can_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Step:
    """The contents of a MODE frame."""

    mode: int = IDLE
    enable: int = 0
    limit_type: int = TIME
    reference: int = 0
    limit: int = 0

    @classmethod
    def unpack(cls, data: bytes) -> "_Step":
        first, _, reference, limit = struct.unpack("<BBhi", data)
        return cls(first >> 1 & 7, first & 1, first >> 4 & 7, reference, limit)

    def pack(self) -> bytes:
        first = self.enable | self.mode << 1 | self.limit_type << 4
        return struct.pack("<BBhi", first, 0, self.reference, self.limit)

    @property
    def command(self) -> Command:
        powered = _POWERED.get(self.mode)
        if powered is None or not self.enable:
            return OFF
        mode, scale = powered
        return Command(mode, self.reference / scale)


_IDLE = _Step()
_ERROR = _Step(mode=ERROR)


class EpcUnit:
    """A unit that was switched on at ``now_ns``. ``record`` gets what a test wants to know."""

    def __init__(
        self, settings: EpcUnitSettings, now_ns: int, record: Record | None = None
    ) -> None:
        self.settings = settings
        self.stage = PowerStage(settings)
        self._record = record or (lambda _t, _kind, _facts: None)
        self._boot_ns = now_ns
        self._flowed_ns = now_ns
        self._slot_ns = now_ns
        self._fifo: list[tuple[int, int, bytes]] = []
        self._mailboxes: list[int] = []
        self._out: list[UnitFrame] = []
        self._registers = dict(_POWER_ON)
        self._periodic = bytes.fromhex("140014001400")
        self._periodic_sent_ns = {0xC: now_ns, 0xD: now_ns}
        self._measures = (0, 0, 0)
        self._temperatures = (0, 0, 0)
        self._temperatures_due_ns = now_ns + TEMPERATURE_NS
        self._consign = _IDLE.pack()
        self._wanted: _Step | None = None
        self._step = _IDLE
        self._command = OFF
        self._step_ns = now_ns
        self._charging = True
        self._notified = b""
        self._errors = 0
        self._reported_errors = 0
        self._last_error = 0
        self._polls = 0
        self._dead = False

    @property
    def dead(self) -> bool:
        """Whether an internal error has stopped the unit until a power cycle."""
        return self._dead

    @property
    def output_on(self) -> bool:
        """Whether power can flow."""
        return self._command is not OFF

    def receive(self, can_id: int, data: bytes, at_ns: int) -> None:
        """Take a frame from the bus; frames for other devices pass by."""
        if self._dead or can_id >> 4 != self.settings.device_id:
            return
        # The two polls of a slot may not have been run yet, though they were before this frame.
        phase_ns = (at_ns - self._boot_ns) % SLOT_NS
        polled_ns = at_ns - phase_ns + (TICK_NS if phase_ns >= TICK_NS else 0)
        if sum(arrived_ns > polled_ns for arrived_ns, _, _ in self._fifo) >= FIFO_DEPTH:
            self._fifo.pop()
        self._fifo.append((at_ns, can_id & 0xF, data))

    def advance(self, now_ns: int) -> list[UnitFrame]:
        """Live until ``now_ns``; get what was sent since the last call."""
        self._live(now_ns)
        out, self._out = self._out, []
        return out

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer; see :class:`UnitFaults`.

        Raises:
            ValueError: there is no such fault.
        """
        faults = self.stage.faults.changed(order)
        self._live(now_ns)
        self.stage.faults = faults
        self._record(now_ns, "fault", {"order": order.strip()})

    def _live(self, now_ns: int) -> None:
        while not self._dead and self._slot_ns + SLOT_END_NS <= now_ns:
            self._skip_quiet_slots(now_ns)
            self._run_slot(self._slot_ns)
            self._slot_ns += SLOT_NS

    def next_due_ns(self) -> int | None:
        """Get the instant at which to call :meth:`advance` again; ``None``: never.

        It is exact for frames, answers, time limits and the watchdog. What the battery does is
        looked at every few slots, so that news of it leave a little late but with nothing missed.
        """
        if self._dead:
            return None
        if self._has_news():
            return self._slot_ns + SLOT_END_NS
        running = self._step not in (_IDLE, _ERROR)
        slots = RUNNING_LOOK_SLOTS if running else IDLE_LOOK_SLOTS
        if self._supervised:
            slots = min(slots, self._slots_to_trip())
        due_ns = self._slot_ns + slots * SLOT_NS
        if running and self._step.limit_type == TIME:
            end_ns = self._step_ns + self._time_limit_ns
            due_ns = min(due_ns, max(end_ns, self._slot_ns))
        return due_ns + SLOT_END_NS

    # Time ------------------------------------------------------------------------------------

    def _has_news(self) -> bool:
        """Whether the present slot brings an answer, a notification or a periodic frame."""
        return (
            bool(self._fifo)
            or self._wanted is not None
            or self._notified != self._step.pack()
            or self._reported_errors != self._errors
            or bool(self._periodic[2] & 1 or self._periodic[4] & 1)
        )

    def _quiet(self) -> bool:
        return self._step in (_IDLE, _ERROR) and not self._has_news()

    def _skip_quiet_slots(self, now_ns: int) -> None:
        if not self._quiet():
            return
        slots = (now_ns - SLOT_END_NS - self._slot_ns) // SLOT_NS
        if self._supervised:
            slots = min(slots, self._slots_to_trip())
        self._slot_ns += slots * SLOT_NS
        self._polls += 2 * slots

    def _run_slot(self, slot_ns: int) -> None:
        self._flow(slot_ns)
        for tick_ns in (slot_ns, slot_ns + TICK_NS):
            for action in (self._sample_temperatures, self._judge, self._poll, self._control):
                if self._dead:
                    return
                action(tick_ns)
        # An over-current has gone with the output by now, so that it is never reported.
        self._judge(slot_ns + 2 * TICK_NS)
        self._report(slot_ns + 2 * TICK_NS)
        self._notify(slot_ns + SLOT_END_NS)

    def _flow(self, until_ns: int) -> None:
        """Let current flow up to an instant; a step may end on the way."""
        while self._flowed_ns < until_ns:
            to_ns = min(until_ns, self._step_end_ns(until_ns))
            count, dt_s = substeps((to_ns - self._flowed_ns) / NS_PER_S * self.settings.speed)
            for part in range(count):
                self.stage.flow(self._command, self._bounds, dt_s)
                part_ns = self._flowed_ns + (to_ns - self._flowed_ns) * (part + 1) // count
                if self.output_on:
                    self._judge(part_ns)
                    self._end_step_at_limit(part_ns)
            self._flowed_ns = to_ns
            self._end_step_at_limit(to_ns)

    def _step_end_ns(self, until_ns: int) -> int:
        if self._step.mode in (IDLE, ERROR) or self._step.limit_type != TIME:
            return until_ns
        return max(self._step_ns + self._time_limit_ns, self._flowed_ns + 1)

    @property
    def _time_limit_ns(self) -> int:
        return (self._step.limit & 0xFFFFFFFF) * NS_PER_MS

    @property
    def _bounds(self) -> Bounds:
        return Bounds(*self._registers[LS_CURRENT_REGISTER], *self._registers[LS_POWER_REGISTER])

    def _sample_temperatures(self, now_ns: int) -> None:
        if now_ns >= self._temperatures_due_ns:
            self._temperatures = self.stage.temperatures()
            self._temperatures_due_ns = now_ns + TEMPERATURE_NS

    # Errors ----------------------------------------------------------------------------------

    def _judge(self, now_ns: int) -> None:
        """Set and clear errors; none of them latches."""
        errors = self._errors & COMM_ERROR
        for flag, register, value in (
            (HS_ERROR, HS_VOLTAGE_REGISTER, self.stage.hs_mv),
            (LS_ERROR, LS_VOLTAGE_REGISTER, self.stage.ls_mv),
            (CURRENT_ERROR, LS_CURRENT_REGISTER, self.stage.ls_ma),
        ):
            low, high = self._registers[register]
            if not low <= value <= high:
                errors |= flag
                self._last_error = value & 0xFFFF
        if now_ns - self._boot_ns >= TEMPERATURE_NS:
            errors |= self._judge_temperatures(now_ns)
        if self._dead:
            return
        self._errors = errors
        if errors and self._step.mode != ERROR:
            self._enter(_ERROR, now_ns, _reason(errors))
        elif not errors and self._step.mode == ERROR:
            self._enter(_IDLE, now_ns, "recovered")

    def _judge_temperatures(self, now_ns: int) -> int:
        low, high = self._registers[TEMPERATURE_REGISTER]
        body, anode, ambient = self._temperatures
        settings = self.settings
        if settings.ambient_sensor and not low <= ambient <= high:
            self._last_error = ambient & 0xFFFF
            return TEMPERATURE_ERROR
        if (settings.body_sensor and not low <= body <= high) or (
            settings.anode_sensor and not low <= anode <= high
        ):
            self._die(now_ns, INTERNAL_ERROR, 0)
        return 0

    def _die(self, now_ns: int, errors: int | None, code: int) -> None:
        """Stop until a power cycle; with ``errors`` one STATUS frame is tried."""
        self._enter(_ERROR, now_ns, "internal")
        if errors is not None:
            self._transmit(0xB, struct.pack("<BBH", errors, 0, code), now_ns)
        self._dead = True
        self._record(now_ns, "internal", {"code": code})

    # Frames in -------------------------------------------------------------------------------

    @property
    def _supervised(self) -> bool:
        return bool(self._periodic[0] & 1) and not self._errors & COMM_ERROR

    @property
    def _heartbeat_period(self) -> int:
        return int.from_bytes(self._periodic[:2], "little") >> 1

    def _slots_to_trip(self) -> int:
        return max((self._heartbeat_period - self._polls - 1) // 2, 0)

    def _poll(self, now_ns: int) -> None:
        self._polls += 1
        while self._fifo and self._fifo[0][0] <= now_ns and not self._dead:
            _, message_id, data = self._fifo.pop(0)
            self._handle(message_id, data, now_ns)
        if self._supervised and self._polls >= self._heartbeat_period and not self._dead:
            self._errors |= COMM_ERROR
            self._last_error = self._polls & 0xFFFF
            self._enter(_ERROR, now_ns, _ERROR_NAMES[COMM_ERROR])

    def _handle(self, message_id: int, data: bytes, now_ns: int) -> None:
        if message_id == 0 and len(data) == 8:  # noqa: PLR2004 - lengths as in the frame table
            self._handle_mode(data, now_ns)
        elif message_id == 1 and len(data) == 1:
            self._handle_request(data[0], now_ns)
        elif message_id in _RANGE:
            if len(data) == 4:  # noqa: PLR2004 - as above
                self._handle_limits(message_id, data, now_ns)
        elif message_id == 7 and len(data) == 6:  # noqa: PLR2004 - as above
            self._handle_periodic(data, now_ns)
        else:
            self._die(now_ns, INTERNAL_ERROR | COMM_ERROR, 1)

    def _handle_mode(self, data: bytes, now_ns: int) -> None:
        step = _Step.unpack(data)
        accepted = self._accepts(step)
        self._record(now_ns, "command", {"frame": data.hex(), "accepted": accepted})
        if not accepted:
            self._answer(0x0, self._consign, now_ns)
            return
        discarded = self._clear_comm_error(now_ns)
        if data != self._consign and not discarded:
            self._wanted = step
        self._consign = data
        self._answer(0x0, data, now_ns)
        if step.mode == IDLE and step.enable and not self._dead:
            self._die(now_ns, INTERNAL_ERROR, 0)

    def _accepts(self, step: _Step) -> bool:
        if self._errors & _BLOCKING or step.mode >= ERROR or step.limit_type > POWER:
            return False
        if step.mode == WAIT:
            return not step.enable
        if step.mode == IDLE:
            return True
        controlled = {CV: VOLTAGE, CC: CURRENT, CP: POWER}[step.mode]
        register = {
            VOLTAGE: LS_VOLTAGE_REGISTER,
            CURRENT: LS_CURRENT_REGISTER,
            POWER: LS_POWER_REGISTER,
        }
        low, high = self._registers[register[controlled]]
        if not low <= step.reference <= high or step.limit_type == controlled:
            return False
        if step.limit_type == TIME:
            return True
        low, high = self._registers[register[step.limit_type]]
        return low <= step.limit <= high

    def _handle_request(self, kind: int, now_ns: int) -> None:
        if kind > 0xA:  # noqa: PLR2004 - the highest request of the table
            return
        self._clear_comm_error(now_ns)
        if kind == 5:  # noqa: PLR2004 - heartbeat: no answer
            self._polls = 0
        elif kind == 3:  # noqa: PLR2004 - electric
            self._answer_electric(now_ns)
        elif kind in (0, 1, 2, 4):
            message_id, data = {
                0: (0xA, self._info()),
                1: (0x0, self._step.pack()),
                2: (0xB, self._status()),
                4: (0xD, struct.pack("<hhh", *self._temperatures)),
            }[kind]
            self._answer(message_id, data, now_ns)
        else:
            self._answer_register(kind - 4, now_ns)

    def _answer_electric(self, now_ns: int) -> None:
        faults = self.stage.faults
        if faults.silent:
            return
        if not faults.frozen:
            self._measures = (self.stage.ls_mv, self.stage.ls_ma, self.stage.hs_mv)
        ls_mv, ls_ma, hs_mv = self._measures
        self._record(now_ns, "answer", {"ls_mv": ls_mv, "ls_ma": ls_ma, "hs_mv": hs_mv})
        self._answer(0xC, struct.pack("<HhH", ls_mv, ls_ma, hs_mv), now_ns)

    def _handle_limits(self, register: int, data: bytes, now_ns: int) -> None:
        high, low = struct.unpack(">HH" if register in _UNSIGNED else ">hh", data)
        lowest, highest = _RANGE[register]
        # The firmware compares signed bounds wrongly when the upper is negative.
        ordered = low < high or high < 0 < low
        accepted = (
            not self._errors & _BLOCKING and ordered and lowest <= low and high <= highest
        ) and (lowest <= high and low <= highest)
        if accepted:
            self._registers[register] = (low, high)
        self._record(
            now_ns,
            "limits",
            {"register": _REGISTER_NAMES[register], "min": low, "max": high, "accepted": accepted},
        )
        self._clear_comm_error(now_ns)
        self._answer_register(register, now_ns)

    def _handle_periodic(self, data: bytes, now_ns: int) -> None:
        fields = struct.unpack("<HHH", data)
        if all(not field & 1 or field >> 1 >= LEAST_PERIOD for field in fields):
            self._periodic = data
            self._periodic_sent_ns = {0xC: now_ns, 0xD: now_ns}
        self._clear_comm_error(now_ns)
        self._answer(0x7, self._periodic, now_ns)

    def _clear_comm_error(self, now_ns: int) -> bool:
        """Take the error back, as any accepted frame does; whether there was one."""
        if not self._errors & COMM_ERROR:
            return False
        self._polls = 0
        self._errors &= ~COMM_ERROR
        if not self._errors:
            self._enter(_IDLE, now_ns, "recovered")
        return True

    # Control ---------------------------------------------------------------------------------

    def _control(self, now_ns: int) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None and not self._errors:
            self._charging = wanted.reference >= (self.stage.ls_mv if wanted.mode == CV else 0)
            self._enter(wanted, now_ns, "command")
        self._end_step_at_limit(now_ns)

    def _enter(self, step: _Step, now_ns: int, reason: str) -> None:
        was_on = self.output_on
        self._step = step
        self._step_ns = now_ns
        self._command = step.command
        self._record(now_ns, "mode", {"mode": MODE_NAMES[step.mode], "reason": reason})
        if self.output_on != was_on:
            self._record(now_ns, "output", {"on": self.output_on, "reason": reason})
        # What is measured next shows the new current.
        self.stage.flow(self._command, self._bounds, 0.0)

    def _end_step_at_limit(self, now_ns: int) -> None:
        step = self._step
        if step.mode in (IDLE, ERROR):
            return
        elapsed_ns = now_ns - self._step_ns
        if step.limit_type == TIME:
            met = elapsed_ns >= self._time_limit_ns
        elif step.mode == WAIT:
            met = False
        elif step.limit_type == VOLTAGE:
            voltage = self.stage.ls_mv
            met = voltage >= step.limit if self._charging else voltage <= step.limit
        else:
            met = elapsed_ns >= BLANKING_NS and self._met(step)
        if met:
            self._enter(_IDLE, now_ns, "limit")

    def _met(self, step: _Step) -> bool:
        """Whether a current or power limit is met, with the comparisons of the firmware."""
        current = self.stage.ls_ma
        if step.limit_type == CURRENT:
            falling = self._charging or step.mode == CP
            return current <= step.limit if falling else current >= step.limit
        power = self.stage.ls_mv * current // 100_000
        falling = self._charging and step.mode == CV
        return power <= step.limit if falling else power >= step.limit

    # Frames out ------------------------------------------------------------------------------

    def _report(self, now_ns: int) -> None:
        """Send status on change and what is due by itself."""
        due: list[tuple[int, bytes]] = []
        if self._errors != self._reported_errors:
            self._reported_errors = self._errors
            due.append((0xB, self._status()))
        fields = struct.unpack("<HHH", self._periodic)
        for message_id, field in ((0xC, fields[1]), (0xD, fields[2])):
            sent_ns = self._periodic_sent_ns[message_id]
            if field & 1 and now_ns - sent_ns >= (field >> 1) * PERIOD_NS:
                self._periodic_sent_ns[message_id] = now_ns
                measures = (self.stage.ls_mv, self.stage.ls_ma, self.stage.hs_mv)
                data = (
                    struct.pack("<HhH", *measures)
                    if message_id == 0xC  # noqa: PLR2004 - ELECTRIC of the frame table
                    else struct.pack("<hhh", *self._temperatures)
                )
                due.append((message_id, data))
        for message_id, data in due:
            if not self._transmit(message_id, data, now_ns):
                self._errors |= COMM_ERROR
                self._enter(_ERROR, now_ns, "mailboxes full")

    def _notify(self, now_ns: int) -> None:
        """Send the mode when it is another one than last time; a full mailbox loses the news."""
        state = self._step.pack()
        if state != self._notified:
            self._notified = state
            self._transmit(0x0, state, now_ns)

    def _answer(self, message_id: int, data: bytes, now_ns: int) -> None:
        if not self._transmit(message_id, data, now_ns):
            self._die(now_ns, None, 0)

    def _answer_register(self, register: int, now_ns: int) -> None:
        low, high = self._registers[register]
        layout = "<HH" if register in _UNSIGNED else "<hh"
        self._answer(register, struct.pack(layout, high, low), now_ns)

    def _transmit(self, message_id: int, data: bytes, now_ns: int) -> bool:
        """Put a frame in one of three mailboxes; they empty one after the other."""
        self._mailboxes = [sent_ns for sent_ns in self._mailboxes if sent_ns > now_ns]
        if len(self._mailboxes) >= MAILBOXES:
            return False
        free_ns = self._mailboxes[-1] if self._mailboxes else now_ns
        self._mailboxes.append(free_ns + (47 + 8 * len(data)) * BIT_NS)
        self._out.append(UnitFrame(self.settings.device_id << 4 | message_id, data))
        return True

    def _info(self) -> bytes:
        settings = self.settings
        word = (
            settings.device_id
            | 1 << 6
            | settings.anode_sensor << 18
            | settings.body_sensor << 20
            | settings.ambient_sensor << 21
            | settings.serial_number << 24
        )
        return word.to_bytes(4, "little")

    def _status(self) -> bytes:
        return struct.pack("<BBH", self._errors, 0, self._last_error)


def _reason(errors: int) -> str:
    return next(name for flag, name in _ERROR_NAMES.items() if errors & flag)

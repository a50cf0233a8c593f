"""What the firmware of a simulated EPC does in each slot: hear, judge, control, tell.

Its parts each know one thing: what is accepted (``simulator_registers``), how frames come and go
(``simulator_mail``), how a step ends (``simulator_run``), what is an error (``simulator_errors``)
and when the host has been silent too long (``simulator_heartbeat``). All of it is lost with power.
"""

from bem_drivers.epc.simulator_errors import Errors
from bem_drivers.epc.simulator_heartbeat import Heartbeat
from bem_drivers.epc.simulator_mail import REPORT_NS, SLOT_END_NS, TICK_NS, Fifo, Mailboxes
from bem_drivers.epc.simulator_registers import (
    REGISTER_NAMES,
    LimitRegisters,
    Periods,
    is_inverted,
)
from bem_drivers.epc.simulator_run import NS_PER_MS, NS_PER_S, Run
from bem_drivers.epc.simulator_stage import EpcUnitSettings, PowerStage
from bem_drivers.epc.simulator_wire import (
    ASK_ELECTRIC,
    ASK_INFO,
    ASK_MODE,
    ASK_STATUS,
    ASK_TEMPERATURES,
    COMM_ERROR,
    ELECTRIC_ID,
    ERROR,
    ERROR_NAMES,
    ERROR_STEP,
    HEARTBEAT,
    IDLE,
    IDLE_STEP,
    INFO_ID,
    INTERNAL_ERROR,
    LAST_REQUEST,
    LENGTHS,
    LIMITS_LENGTH,
    MODE_ID,
    PERIODIC_ID,
    REGISTER_REQUEST_OFFSET,
    REQUEST_ID,
    STATUS_ID,
    TEMPERATURES_ID,
    Measures,
    Record,
    Step,
    Trap,
    pack_status,
    pack_temperatures,
)
from bem_drivers.simulation.spec import UnitFrame

TEMPERATURE_NS = NS_PER_S
PERIOD_NS = 10 * NS_PER_MS
_UNKNOWN_FRAME_CODE = 1
_NOT_MEASURED = (0, 0, 0)


class Firmware:
    """Runs from power-on at ``boot_ns`` until an internal error or until power is lost."""

    def __init__(
        self,
        settings: EpcUnitSettings,
        stage: PowerStage,
        mailboxes: Mailboxes,
        boot_ns: int,
        record: Record,
    ) -> None:
        self.settings = settings
        self.dead = False
        self.fifo = Fifo(boot_ns)
        self.mailboxes = mailboxes
        self.registers = LimitRegisters()
        self.periods = Periods()
        self.errors = Errors(settings)
        self.heartbeat = Heartbeat()
        self.run = Run(stage, self.registers, settings.speed, boot_ns, record)
        self._stage = stage
        self._record = record
        self._measures = Measures(0, 0, 0)
        self._temperatures = _NOT_MEASURED
        self._temperatures_due_ns = boot_ns + TEMPERATURE_NS
        self._temperatures_known = False
        self._hot = False
        self._judged: tuple[object, ...] = (None, None, None)
        self._sent_ns = {ELECTRIC_ID: boot_ns, TEMPERATURES_ID: boot_ns}
        self._consign = IDLE_STEP.pack()
        self._wanted: Step | None = None
        self._notified: Step | None = None

    def has_news(self) -> bool:
        """Whether the present slot brings a notification or a periodic frame."""
        return (
            self._wanted is not None
            or self._notified != self.run.step
            or self.errors.unreported
            or self.periods.sends
        )

    def slots_to_trip(self) -> int | None:
        """Get how many slots may pass before supervision trips; ``None``: it does not."""
        if self.errors.silent_host:
            return None
        return self.heartbeat.slots_to_trip(self.periods)

    def run_slot(self, slot_ns: int) -> None:
        """Live through the slot that begins at ``slot_ns``, and through all time before it."""
        self.run.flow(slot_ns, self._judge)
        for tick_ns in (slot_ns, slot_ns + TICK_NS):
            for action in (self._sample_temperatures, self._judge, self._poll, self._control):
                if self.dead:
                    return
                action(tick_ns)
        # An over-current has gone with the output by now, so that it is never reported.
        self._judge(slot_ns + REPORT_NS)
        if not self.dead:
            self._report(slot_ns + REPORT_NS)
            self._notify(slot_ns + SLOT_END_NS)

    def look(self, now_ns: int) -> None:
        """Find at once what has changed around the unit."""
        if not self.dead:
            self.run.flow(now_ns, self._judge)
            self.run.look(now_ns)
            self._judge(now_ns)

    def lose_power(self, now_ns: int) -> None:
        """Let the output go off without a word."""
        self.run.enter(IDLE_STEP, now_ns, "unpowered")
        self.dead = True

    # Errors ----------------------------------------------------------------------------------

    def _sample_temperatures(self, now_ns: int) -> None:
        if now_ns >= self._temperatures_due_ns:
            self._temperatures = self._stage.temperatures(now_ns)
            self._temperatures_due_ns = now_ns + TEMPERATURE_NS
            self._temperatures_known = True

    def _judge(self, now_ns: int) -> None:
        """Set and clear errors, and follow them with the mode."""
        if self.dead:
            return
        known = self._temperatures if self._temperatures_known else None
        # Most ticks bring nothing new; a reading is another object each time.
        readings = (self.run.measures, known, self.registers.changes)
        if all(new is old for new, old in zip(readings, self._judged, strict=True)):
            return
        self._judged = readings
        deadly = self.errors.judge(self.run.measures, known, self.registers)
        if deadly and self._dies_of_heat(now_ns):
            return
        self._hot = deadly
        if self.errors.flags:
            if self.run.step.mode != ERROR:
                self.run.enter(ERROR_STEP, now_ns, self.errors.reason)
        elif self.run.step.mode == ERROR:
            self.run.enter(IDLE_STEP, now_ns, "recovered")

    def _dies_of_heat(self, now_ns: int) -> bool:
        if not self._hot and self._spring(Trap.HEAT, now_ns, {}):
            self._die(now_ns, pack_status(INTERNAL_ERROR, 0), 0)
            return True
        body, anode, _ = self._temperatures
        self.errors.raise_temperature(body if self.settings.body_sensor else anode)
        return False

    def _spring(self, trap: Trap, now_ns: int, facts: dict[str, object]) -> bool:
        """Record that the host stepped into a trap; whether it bites."""
        strict = self.settings.strictness == "strict"
        self._record(now_ns, "trap", {"trap": str(trap), **facts})
        return strict

    def _die(self, now_ns: int, status: bytes | None, code: int) -> None:
        """Stop until a power cycle; one STATUS frame is tried unless the mailboxes are full."""
        self.run.enter(ERROR_STEP, now_ns, "internal")
        if status is not None:
            self._transmit(STATUS_ID, status, now_ns)
        self.dead = True
        self._record(now_ns, "internal", {"code": code})

    # Frames in -------------------------------------------------------------------------------

    def _poll(self, now_ns: int) -> None:
        self.heartbeat.poll()
        while not self.dead and (received := self.fifo.get(now_ns)) is not None:
            self._handle(*received, now_ns)
        tripped = not self.errors.silent_host and self.heartbeat.has_tripped(self.periods)
        if tripped and not self.dead:
            self.errors.raise_comm(self.heartbeat.polls)
            self.run.enter(ERROR_STEP, now_ns, ERROR_NAMES[COMM_ERROR])

    def _handle(self, message_id: int, data: bytes, now_ns: int) -> None:
        if message_id in self.registers:
            if len(data) == LIMITS_LENGTH:
                self._handle_limits(message_id, data, now_ns)
        elif LENGTHS.get(message_id) != len(data):
            facts: dict[str, object] = {"message_id": message_id, "data": data.hex()}
            if self._spring(Trap.FRAME, now_ns, facts):
                status = pack_status(INTERNAL_ERROR | COMM_ERROR, _UNKNOWN_FRAME_CODE)
                self._die(now_ns, status, _UNKNOWN_FRAME_CODE)
        elif message_id == MODE_ID:
            self._handle_mode(data, now_ns)
        elif message_id == REQUEST_ID:
            self._handle_request(data[0], now_ns)
        else:
            self._handle_periods(data, now_ns)

    def _handle_mode(self, data: bytes, now_ns: int) -> None:
        step = Step.unpack(data)
        accepted = not self.errors.blocking and self.registers.accept(step, self.settings.firmware)
        self._record(now_ns, "command", {"frame": data.hex(), "accepted": accepted})
        if not accepted:
            self._answer(MODE_ID, self._consign, now_ns)
            return
        discarded = self._clear_comm_error(now_ns)
        if data != self._consign and not discarded:
            self._wanted = step
        self._consign = data
        self._answer(MODE_ID, data, now_ns)
        deadly = step.mode == IDLE and step.enable and not self.dead
        if deadly and self._spring(Trap.IDLE_ENABLED, now_ns, {}):
            self._die(now_ns, pack_status(INTERNAL_ERROR, 0), 0)

    def _handle_request(self, kind: int, now_ns: int) -> None:
        if kind > LAST_REQUEST:
            return
        self._clear_comm_error(now_ns)
        if kind == HEARTBEAT:
            self.heartbeat.reset()
        elif kind == ASK_INFO:
            self._answer(INFO_ID, self._info(), now_ns)
        elif kind == ASK_MODE:
            self._answer(MODE_ID, self.run.step.pack(), now_ns)
        elif kind == ASK_STATUS:
            self._answer(STATUS_ID, self.errors.status(), now_ns)
        elif kind == ASK_ELECTRIC:
            self._answer_electric(now_ns)
        elif kind == ASK_TEMPERATURES:
            self._answer(TEMPERATURES_ID, pack_temperatures(self._temperatures), now_ns)
        else:
            self._answer_register(kind - REGISTER_REQUEST_OFFSET, now_ns)

    def _answer_electric(self, now_ns: int) -> None:
        if self._stage.faults.silent:
            return
        measures = self._told_measures()
        self._record(now_ns, "answer", measures._asdict())
        self._answer(ELECTRIC_ID, measures.pack(), now_ns)

    def _told_measures(self) -> Measures:
        if not self._stage.faults.frozen:
            self._measures = self.run.measures
        return self._measures

    def _handle_limits(self, register: int, data: bytes, now_ns: int) -> None:
        low, high = self.registers.unpack(register, data)
        accepted = not self.errors.blocking and self.registers.allows(low, high, register)
        if accepted and is_inverted(low, high):
            accepted = self._spring(
                Trap.INVERTED_LIMITS,
                now_ns,
                {"register": REGISTER_NAMES[register], "min": low, "max": high},
            )
        if accepted:
            self.registers.hold(register, low, high)
        self._record(
            now_ns,
            "limits",
            {"register": REGISTER_NAMES[register], "min": low, "max": high, "accepted": accepted},
        )
        self._clear_comm_error(now_ns)
        self._answer_register(register, now_ns)

    def _handle_periods(self, data: bytes, now_ns: int) -> None:
        if self.periods.set(data):
            self._sent_ns = dict.fromkeys(self._sent_ns, now_ns)
        self._clear_comm_error(now_ns)
        self._answer(PERIODIC_ID, self.periods.data, now_ns)

    def _clear_comm_error(self, now_ns: int) -> bool:
        """Take the error back, as any accepted frame does; whether there was one."""
        if not self.errors.silent_host:
            return False
        self.heartbeat.reset()
        self.errors.clear_comm()
        if not self.errors.flags:
            self.run.enter(IDLE_STEP, now_ns, "recovered")
        return True

    # Control ---------------------------------------------------------------------------------

    def _control(self, now_ns: int) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None and not self.errors.flags:
            self.run.enter(wanted, now_ns, "command")
        self.run.end_at_limit(now_ns)

    # Frames out ------------------------------------------------------------------------------

    def _report(self, now_ns: int) -> None:
        """Send status on change and what is due by itself."""
        due: list[tuple[int, bytes]] = []
        if self.errors.unreported:
            due.append((STATUS_ID, self.errors.report()))
        if self._is_due(ELECTRIC_ID, self.periods.electric, now_ns):
            due.append((ELECTRIC_ID, self._told_measures().pack()))
        if self._is_due(TEMPERATURES_ID, self.periods.temperatures, now_ns):
            due.append((TEMPERATURES_ID, pack_temperatures(self._temperatures)))
        for message_id, data in due:
            if not self._transmit(message_id, data, now_ns):
                self.errors.raise_comm()
                if self.run.step.mode != ERROR:
                    self.run.enter(ERROR_STEP, now_ns, "mailboxes full")

    def _is_due(self, message_id: int, period: int | None, now_ns: int) -> bool:
        if period is None or now_ns - self._sent_ns[message_id] < period * PERIOD_NS:
            return False
        self._sent_ns[message_id] = now_ns
        return True

    def _notify(self, now_ns: int) -> None:
        """Send the mode when it is another one than last time; a full mailbox loses the news."""
        step = self.run.step
        if step != self._notified:
            self._notified = step
            self._transmit(MODE_ID, step.pack(), now_ns)

    def _answer(self, message_id: int, data: bytes, now_ns: int) -> None:
        if self._transmit(message_id, data, now_ns):
            return
        if self._spring(Trap.MAILBOXES, now_ns, {"message_id": message_id}):
            self._die(now_ns, None, 0)

    def _answer_register(self, register: int, now_ns: int) -> None:
        self._answer(register, self.registers.pack(register), now_ns)

    def _transmit(self, message_id: int, data: bytes, now_ns: int) -> bool:
        frame = UnitFrame(self.settings.device_id << 4 | message_id, data)
        return self.mailboxes.put(frame, now_ns)

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

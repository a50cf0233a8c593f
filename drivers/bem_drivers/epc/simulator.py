"""One EPC as its firmware behaves on the wire, traps included.

The unit knows no clock and no port: frames are handed in with the instant they arrived, and
:meth:`EpcUnit.advance` returns what the unit sent until then. This module passes the time and
breaks things; ``simulator_firmware`` is what runs inside.
"""

from bem_drivers.epc.simulator_faults import ORDERS, UnitFaults
from bem_drivers.epc.simulator_firmware import Firmware
from bem_drivers.epc.simulator_mail import SLOT_END_NS, SLOT_NS, Mailboxes
from bem_drivers.epc.simulator_run import NS_PER_S
from bem_drivers.epc.simulator_stage import QUANTITIES, EpcUnitSettings, PowerStage
from bem_drivers.epc.simulator_wire import Record
from bem_drivers.simulation.faults import changed
from bem_drivers.simulation.sensor import Sensors, sensor_orders
from bem_drivers.simulation.spec import UnitFrame

IDLE_LOOK_SLOTS = 10
RUNNING_LOOK_SLOTS = 3
_NEVER = 1 << 62
UNIT_ORDERS = ORDERS | sensor_orders(QUANTITIES)


class EpcUnit:
    """A unit that was switched on at ``now_ns``. ``record`` gets what a test wants to know.

    With ``stage`` it drives that instead of one of its own. With ``on_bus`` its mailboxes wait
    for :meth:`confirm`, as on a bus that others use too.
    """

    def __init__(
        self,
        settings: EpcUnitSettings,
        now_ns: int,
        record: Record | None = None,
        *,
        on_bus: bool = False,
        stage: PowerStage | None = None,
    ) -> None:
        self.settings = settings
        self._stage = stage or PowerStage(settings)
        self._record = record or (lambda _t, _kind, _facts: None)
        self._on_bus = on_bus
        self._slot_ns = now_ns
        self._unpowered_ns = now_ns
        self._firmware = self._boot(now_ns)

    @property
    def stage(self) -> PowerStage:
        """The battery and the supply, to look at and to meddle with."""
        return self._stage

    @property
    def dead(self) -> bool:
        """Whether an internal error has stopped it until a power cycle, or it has no power."""
        return self._firmware.dead

    @property
    def output_on(self) -> bool:
        """Whether power can flow."""
        return self._firmware.run.output_on

    def receive(self, can_id: int, data: bytes, at_ns: int) -> None:
        """Take a frame from the bus; frames for other devices pass by."""
        faults = self.stage.faults
        if not self.dead and not faults.unplug and can_id >> 4 == self.settings.device_id:
            self._firmware.fifo.put(can_id & 0xF, data, at_ns)

    def confirm(self, at_ns: int) -> None:
        """Note that the bus had carried the oldest frame that was sent by ``at_ns``."""
        self._firmware.mailboxes.confirm(at_ns)

    def advance(self, now_ns: int) -> list[UnitFrame]:
        """Live until ``now_ns``; get what was sent since the last call."""
        self._live(now_ns)
        return self._firmware.mailboxes.take_out()

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer: see :data:`UNIT_ORDERS`.

        Raises:
            ValueError: there is no such fault, or it does not take that value.
        """
        name, _, value = order.strip().partition(" ")
        if name in Sensors.WORDS:
            self._live(now_ns)
            self.stage.sensors.obey(order, now_ns)
        else:
            faults = changed(self.stage.faults, name, value, "an EPC", UNIT_ORDERS)
            self._live(now_ns)
            self._change(faults, now_ns)
        self._record(now_ns, "fault", {"order": order.strip()})

    def next_due_ns(self) -> int | None:
        """Get the instant at which to call :meth:`advance` again; ``None``: never.

        It is exact for frames, answers, time limits and the watchdog. What the battery does is
        looked at every few slots, so that news of it leave a little late but with nothing missed.
        """
        return None if self.dead else self._firmware_due_ns()

    def _boot(self, now_ns: int) -> Firmware:
        mailboxes = Mailboxes(on_bus=self._on_bus, connected=not self.stage.faults.unplug)
        return Firmware(self.settings, self.stage, mailboxes, now_ns, self._record)

    def _change(self, faults: UnitFaults, now_ns: int) -> None:
        before, self.stage.faults = self.stage.faults, faults
        # Errors are looked for at every tick: one may come and go between two slots.
        self._firmware.look(now_ns)
        if faults.unplug != before.unplug:
            self._firmware.mailboxes.connect(not faults.unplug, now_ns)
        if faults.unpowered and not before.unpowered:
            self._firmware.lose_power(now_ns)
            self._unpowered_ns = now_ns
        elif before.unpowered and not faults.unpowered:
            self.stage.rest((now_ns - self._unpowered_ns) / NS_PER_S * self.settings.speed)
            self._slot_ns = now_ns
            self._firmware = self._boot(now_ns)

    def _live(self, now_ns: int) -> None:
        while not self.dead and self._slot_ns + SLOT_END_NS <= now_ns:
            self._skip_quiet_slots(now_ns)
            self._firmware.run_slot(self._slot_ns)
            self._slot_ns += SLOT_NS

    def _skip_quiet_slots(self, now_ns: int) -> None:
        firmware = self._firmware
        if firmware.run.active or firmware.has_news():
            return
        slots = (now_ns - SLOT_END_NS - self._slot_ns) // SLOT_NS
        slots = min(slots, *self._slots_to_events())
        self._slot_ns += slots * SLOT_NS
        firmware.heartbeat.skip(slots)

    def _firmware_due_ns(self) -> int:
        firmware = self._firmware
        if firmware.has_news():
            return self._slot_ns + SLOT_END_NS
        slots = RUNNING_LOOK_SLOTS if firmware.run.active else IDLE_LOOK_SLOTS
        slots = min(slots, *self._slots_to_events())
        end_ns = max(firmware.run.time_end_ns, self._slot_ns)
        return min(self._slot_ns + slots * SLOT_NS, end_ns) + SLOT_END_NS

    def _slots_to_events(self) -> tuple[int, int]:
        """Get how many slots pass before a frame is handled, and before supervision trips."""
        firmware = self._firmware
        to_frame = firmware.fifo.slots_until(self._slot_ns)
        to_trip = firmware.slots_to_trip()
        return (
            _NEVER if to_frame is None else to_frame,
            _NEVER if to_trip is None else to_trip,
        )

"""The step that a simulated EPC runs on its power stage, and how it ends (devices.md §2.6)."""

from collections.abc import Callable

from bem_drivers.base import OFF
from bem_drivers.epc.simulator_registers import LS_CURRENT, LS_POWER, LimitRegisters
from bem_drivers.epc.simulator_stage import Bounds, PowerStage
from bem_drivers.epc.simulator_wire import (
    CP,
    CURRENT,
    CV,
    ERROR,
    IDLE,
    IDLE_STEP,
    MODE_NAMES,
    TIME,
    VOLTAGE,
    WAIT,
    Record,
    Step,
)
from bem_drivers.model.regulator import substeps

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
BLANKING_NS = 100 * NS_PER_MS
"""For so long after the start of a step its current or power limit is not looked at."""
_NEVER_NS = 1 << 62


class Run:
    """What the power stage does from ``now_ns`` on, beginning in IDLE."""

    def __init__(
        self,
        stage: PowerStage,
        registers: LimitRegisters,
        speed: float,
        now_ns: int,
        record: Record,
    ) -> None:
        self._stage = stage
        self._registers = registers
        self._speed = speed
        self._record = record
        self._flowed_ns = now_ns
        self._begun_ns = now_ns
        self._charging = True
        self.step = IDLE_STEP
        self.command = OFF
        self.measures = stage.measures(now_ns)

    @property
    def output_on(self) -> bool:
        """Whether power can flow."""
        return self.command is not OFF

    @property
    def active(self) -> bool:
        """Whether there is a step that may end."""
        return self.step.mode not in (IDLE, ERROR)

    @property
    def time_end_ns(self) -> int:
        """When the step's time is over (ns); far away for a step without a limit of time."""
        if not self.active or self.step.limit_type != TIME:
            return _NEVER_NS
        return self._begun_ns + (self.step.limit & 0xFFFFFFFF) * NS_PER_MS

    def look(self, now_ns: int) -> None:
        """Measure anew."""
        self.measures = self._stage.measures(now_ns)

    def enter(self, step: Step, now_ns: int, reason: str) -> None:
        """Begin another step."""
        was_on = self.output_on
        if reason == "command":
            # Decided once: a voltage that moves later changes nothing.
            threshold = self.measures.ls_mv if step.mode == CV else 0
            self._charging = step.reference >= threshold
        self.step = step
        self._begun_ns = now_ns
        self.command = step.command
        self._record(now_ns, "mode", {"mode": MODE_NAMES[step.mode], "reason": reason})
        if self.output_on != was_on:
            self._record(now_ns, "output", {"on": self.output_on, "reason": reason})
        # What is measured next shows the new current.
        self._stage.flow(self.command, self._bounds, 0.0)
        self.look(now_ns)

    def flow(self, until_ns: int, judge: Callable[[int], None]) -> None:
        """Let current flow up to an instant; a step may end on the way, or ``judge`` end it."""
        if self._flowed_ns >= until_ns:
            self.look(until_ns)
        while self._flowed_ns < until_ns:
            to_ns = min(until_ns, max(self.time_end_ns, self._flowed_ns + 1))
            count, dt_s = substeps((to_ns - self._flowed_ns) / NS_PER_S * self._speed)
            for part in range(count):
                part_ns = self._flowed_ns + (to_ns - self._flowed_ns) * (part + 1) // count
                self._stage.flow(self.command, self._bounds, dt_s)
                self.look(part_ns)
                if self.output_on:
                    judge(part_ns)
                    self.end_at_limit(part_ns)
            self._flowed_ns = to_ns
            self.end_at_limit(to_ns)

    def end_at_limit(self, now_ns: int) -> None:
        """Go to IDLE when the limit of the step is met."""
        if self.active and self._is_over(now_ns):
            self.enter(IDLE_STEP, now_ns, "limit")

    @property
    def _bounds(self) -> Bounds:
        return Bounds(*self._registers[LS_CURRENT], *self._registers[LS_POWER])

    def _is_over(self, now_ns: int) -> bool:
        step = self.step
        if step.limit_type == TIME:
            return now_ns >= self.time_end_ns
        if step.mode == WAIT:
            return False
        if step.limit_type == VOLTAGE:
            voltage = self.measures.ls_mv
            return voltage >= step.limit if self._charging else voltage <= step.limit
        return now_ns - self._begun_ns >= BLANKING_NS and self._is_met(step)

    def _is_met(self, step: Step) -> bool:
        """Whether a current or power limit is met, with the comparisons of the firmware."""
        current = self.measures.ls_ma
        if step.limit_type == CURRENT:
            falling = self._charging or step.mode == CP
            return current <= step.limit if falling else current >= step.limit
        power = self.measures.ls_mv * current // 100_000
        falling = self._charging and step.mode == CV
        return power <= step.limit if falling else power >= step.limit

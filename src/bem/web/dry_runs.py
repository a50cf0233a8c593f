"""Dry runs for the pages: one at a time in a process, and none twice in a row.

Calculating holds the interpreter, and with it all other pages; so it is bounded, and what was
shown before queueing is not calculated again for keeping it.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from bem.domain.battery import BatterySpec
from bem.domain.program import Limit, Program
from bem.dryrun import DryRun, assumptions, dry_run, model_of
from bem.lab.models import Battery
from bem_drivers.model import BatteryModelSettings

LONGEST_S = 4.0
"""Computing time after which a dry run is cut off, and says so."""
WAIT_S = 20.0
"""How long one waits for those before it."""
_KEPT = 16


class Busy(Exception):
    """Too many dry runs are asked for at once."""


class DryRuns:
    """Calculates dry runs and keeps the newest."""

    def __init__(self, longest_s: float = LONGEST_S, wait_s: float = WAIT_S) -> None:
        self._longest_s = longest_s
        self._wait_s = wait_s
        self._working = threading.Lock()
        self._kept: OrderedDict[str, DryRun] = OrderedDict()

    def run(self, program: Program, battery: Battery, limits: tuple[Limit, ...] = ()) -> DryRun:
        """Get what is to be expected of a program on a battery, within further limits.

        Raises:
            Busy: others were calculated for too long.
        """
        bounded = program.model_copy(update={"limits": (*program.limits, *limits)})
        facts = _facts(battery, bounded)
        key = facts.key(bounded)
        if not self._working.acquire(timeout=self._wait_s):
            raise Busy
        try:
            found = self._kept.get(key)
            if found is None:
                found = self._calculate(facts, bounded)
                self._kept[key] = found
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return found
        finally:
            self._working.release()

    def _calculate(self, facts: "_Facts", program: Program) -> DryRun:
        return dry_run(
            program,
            facts.model(),
            longest_s=self._longest_s,
            assumed=facts.assumed(),
        )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a battery model is made of, as far as the records know it."""

    spec: BatterySpec
    chemistry: str
    capacity: float | None
    cells: int
    electrode_area: float | None

    def model(self) -> BatteryModelSettings:
        return model_of(
            technology=self.spec.technology,
            limits=self.spec.limits,
            chemistry=self.chemistry,
            capacity=self.capacity,
            cells=self.cells,
            electrode_area=self.electrode_area,
        )

    def assumed(self) -> tuple[str, ...]:
        return assumptions(
            technology=self.spec.technology,
            limits=self.spec.limits,
            chemistry=self.chemistry,
            capacity=self.capacity,
            cells=self.cells,
            electrode_area=self.electrode_area,
        )

    def key(self, program: Program) -> str:
        told = f"{program.model_dump_json()}{self.spec.model_dump_json()}{self!r}"
        return hashlib.sha256(told.encode()).hexdigest()


def _facts(battery: Battery, program: Program) -> _Facts:
    spec = battery.spec()
    detail = getattr(battery, battery.technology, None)
    chemistry = getattr(detail, "chemistry", None) or getattr(detail, "electrolyte_type", None)
    return _Facts(
        spec=spec,
        chemistry=str(chemistry or ""),
        # What C-rates were taken of, be it nominal or measured.
        capacity=program.capacity or spec.capacity,
        cells=battery.cells,
        electrode_area=getattr(detail, "electrode_area", None),
    )


DRY_RUNS = DryRuns()
"""Of this process."""

"""A BMS driver on its simulated unit: a bus in memory, and a clock that only tests turn."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.support.clock import ManualClock

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.bms.driver import BmsDriver
from bem_drivers.bms.settings import BmsSettings
from bem_drivers.bms.simulator import BmsUnit, BmsUnitSettings
from bem_drivers.can import Frame
from bem_drivers.model import BatteryModel, BatteryModelSettings

BUS = {"interface": "virtual", "channel": "none"}
STACK = {"chemistry": "vanadium", "cells": 12, "capacity_ah": 100.0, "soc": 0.5}


class BmsLink:
    """A bus in memory with one simulated BMS; frames pass the filter of its identifier."""

    def __init__(self, unit: BmsUnit, clock: ManualClock) -> None:
        self.unit = unit
        self.there = True
        self.arrived: deque[Frame] = deque()
        self._clock = clock
        self._plugged = False

    def open(self) -> None:
        if not self.there:
            raise DeviceNotFound("the adapter is not there; plug it in")
        self.unit.advance(self._clock.now_ns)
        self.arrived.clear()
        self._plugged = True

    def close(self) -> None:
        self._plugged = False

    def send(self, frame: Frame) -> None:
        raise AssertionError(f"nothing is ever sent to a BMS, not even {frame}")

    def receive(self, timeout_s: float) -> Frame | None:
        end_ns = self._clock.now_ns + round(timeout_s * 1e9)
        while True:
            if not (self._plugged and self.there):
                raise CommunicationLost("the adapter is unplugged")
            self.arrived.extend(Frame(*frame) for frame in self.unit.advance(self._clock.now_ns))
            if self.arrived:
                return self.arrived.popleft()
            if self._clock.now_ns >= end_ns:
                return None
            self._clock.now_ns = min(self.unit.next_due_ns(), end_ns)


@dataclass
class BmsBench:
    """A driver, its unit, the battery that the unit measures, and what the unit recorded."""

    clock: ManualClock
    unit: BmsUnit
    link: BmsLink
    driver: BmsDriver
    ledger: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def order(self, order: str) -> None:
        """Break the unit down."""
        self.unit.break_down(order, self.clock.now_ns)

    def told(self) -> dict[str, float]:
        """Get the values of a reading."""
        return {name: one.value for name, one in self.driver.read().values.items()}

    def sent_words(self) -> list[int]:
        """Get the words of the newest message that the unit recorded."""
        words: list[int] = [facts for _, kind, facts in self.ledger if kind == "message"][-1][
            "words"
        ]
        return words


def make_bench(
    clock: ManualClock, driver: dict[str, object] | None = None, **unit: object
) -> BmsBench:
    """Make a bench; ``driver``: settings of the driver, keywords: of the simulated unit."""
    ledger: list[tuple[int, str, dict[str, Any]]] = []
    battery = BatteryModel(BatteryModelSettings.model_validate(STACK))
    simulated = BmsUnit(
        BmsUnitSettings.model_validate(unit),
        battery,
        clock.now_ns,
        lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
    )
    link = BmsLink(simulated, clock)
    settings = BmsSettings.model_validate({"bus": BUS} | (driver or {}))
    return BmsBench(clock, simulated, link, BmsDriver(settings, clock, link), ledger)

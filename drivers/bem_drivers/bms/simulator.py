"""One BMS as it behaves on the wire. Pure: no clock and no port of its own.

:meth:`BmsUnit.advance` returns what the unit sent until then. The layout is written down here once
more, by hand and from the recorded frames (devices.md section 3), so that driver and simulator
cannot agree on an error. How often a real BMS sends, and whether it goes on sending values while
it reports an error, is not known; see the settings and :mod:`bem_drivers.bms.simulator_faults`.
"""

import random
import struct
from typing import Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.bms.simulator_faults import NO_FAULTS, ORDERS
from bem_drivers.simulation.faults import changed
from bem_drivers.simulation.sensor import Sensors, SensorSettings, sensor_orders
from bem_drivers.simulation.spec import Record, UnitFrame

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
FRAME_NS = 1_200_000
"""A frame of eight bytes at 125 kbit/s takes some 1.1 ms, fragments follow each other at once."""
CELL_WORDS = 12
TEMPERATURE_WORDS = 4
PRESSURE_WORDS = 2
_DATA = 7

Quantity = Literal["voltage", "temperature", "pressure"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
UNIT_ORDERS = ORDERS | sensor_orders(QUANTITIES)


class Measurable(Protocol):
    """What the inputs of a BMS are connected to: terminals of a circuit, or a battery model."""

    @property
    def voltage(self) -> float:
        """V, of the whole battery."""
        ...

    @property
    def temperature(self) -> float:
        """degC."""
        ...


class BmsUnitSettings(BaseModel):
    """One simulated BMS. Counts are mV, 0.1 degC and mbar, as the driver assumes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    can_id: int = Field(default=0x101, ge=0x100, le=0x120)
    period_s: float = Field(default=1.0, ge=0.02, le=60, description="from message to message (s)")
    cells: int = Field(default=12, ge=1, le=CELL_WORDS, description="cells that are connected")
    cell_spread: float = Field(
        default=0.002, ge=0, le=1, description="standard deviation from cell to cell (V)"
    )
    pressures: tuple[float, float] = Field(
        default=(101_300.0, 101_400.0), description="Pa, of the two sensors"
    )
    seed: int = Field(default=0, description="of the spread from cell to cell")
    sensors: dict[Quantity, SensorSettings] = Field(default={}, description="V, degC, Pa")


class BmsUnit:
    """A BMS that was switched on at ``now_ns`` and measures ``battery``.

    It only looks at the battery: whoever puts the bench together lets the battery's time pass.
    ``record`` gets ``message`` (words), ``error`` (code) and ``fault`` (order).
    """

    def __init__(
        self,
        settings: BmsUnitSettings,
        battery: Measurable,
        now_ns: int,
        record: Record | None = None,
    ) -> None:
        self.settings = settings
        self.faults = NO_FAULTS
        self._sensors = Sensors(QUANTITIES, settings.sensors)
        self._battery = battery
        self._record = record or (lambda _t, _kind, _facts: None)
        # A repeatable spread of simulated cells; nothing secret depends on it.
        spread = random.Random(settings.seed)  # noqa: S311 - a spread, not a secret
        self._offsets = [spread.gauss(0.0, settings.cell_spread) for _ in range(settings.cells)]
        self._period_ns = round(settings.period_s * NS_PER_S)
        self._due_ns = now_ns + self._period_ns
        self._leaving: list[tuple[int, bytes]] = []
        self._frozen_words: tuple[int, ...] | None = None

    def receive(self, can_id: int, data: bytes, at_ns: int) -> None:
        """Take a frame from the bus: none is for a BMS, it only sends."""

    def confirm(self, at_ns: int) -> None:
        """Note that a frame has been carried; a BMS does not care."""

    def next_due_ns(self) -> int:
        """Get the instant at which to call :meth:`advance` again."""
        return min([self._due_ns, *(at_ns for at_ns, _ in self._leaving)])

    def advance(self, now_ns: int) -> list[UnitFrame]:
        """Live until ``now_ns``; get what was sent since the last call."""
        out: list[UnitFrame] = []
        while (due_ns := self.next_due_ns()) <= now_ns:
            if self._due_ns == due_ns:
                self._begin(due_ns)
                self._due_ns += self._period_ns
            out.extend(
                UnitFrame(self.settings.can_id, data)
                for at_ns, data in self._leaving
                if at_ns <= due_ns
            )
            self._leaving = [one for one in self._leaving if one[0] > due_ns]
        return out

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from the next message on, or have it no longer; see :data:`UNIT_ORDERS`.

        Raises:
            ValueError: there is no such fault, or it does not take that value.
        """
        name, _, value = order.strip().partition(" ")
        if name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        else:
            self.faults = changed(self.faults, name, value, "a BMS", UNIT_ORDERS)
            self._frozen_words = self._measured(now_ns) if self.faults.frozen else None
        self._record(now_ns, "fault", {"order": order.strip()})

    def words(self, now_ns: int) -> tuple[int, ...]:
        """Get the 19 words that the next message has, but for a fault of the message itself."""
        return self._measured(now_ns) if self._frozen_words is None else self._frozen_words

    def _begin(self, now_ns: int) -> None:
        """Make the frames of a message, with what is wrong with this one."""
        faults, self.faults = self.faults, self.faults.after_message()
        if faults.silent:
            return
        frames = []
        code = faults.error if faults.error is not None else faults.error_once
        if code is not None:
            frames.append(_error_frame(code))
            self._record(now_ns, "error", {"code": code})
        if faults.error is None:
            words = faults.spoil_words(self.words(now_ns))
            frames += faults.spoil_frames(_fragments(words))
            self._record(now_ns, "message", {"words": list(words)})
        late_ns = 0 if faults.straggle is None else round(faults.straggle * NS_PER_MS)
        last = len(frames) - 1
        self._leaving += [
            (now_ns + number * FRAME_NS + (late_ns if number == last else 0), frame)
            for number, frame in enumerate(frames)
        ]

    def _measured(self, now_ns: int) -> tuple[int, ...]:
        volts = self._battery.voltage if self.faults.voltage is None else self.faults.voltage
        degrees = self._battery.temperature if self.faults.body is None else self.faults.body
        mean = volts / self.settings.cells
        read = self._sensors.read
        cells = [read("voltage", mean + offset, now_ns) for offset in self._offsets]
        temperatures = [read("temperature", degrees, now_ns) for _ in range(TEMPERATURE_WORDS)]
        pressures = [read("pressure", pascal, now_ns) for pascal in self.settings.pressures]
        return (
            *(_unsigned(cell * 1000) for cell in cells),
            *[0] * (CELL_WORDS - len(cells)),
            _unsigned(read("voltage", volts, now_ns) * 1000),
            *(_signed(degc * 10) for degc in temperatures),
            *(_unsigned(pascal / 100) for pascal in pressures),
        )


def _unsigned(count: float) -> int:
    return round(min(max(count, 0), 0xFFFF))


def _signed(count: float) -> int:
    return round(min(max(count, -0x8000), 0x7FFF)) & 0xFFFF


def _fragments(words: tuple[int, ...]) -> list[bytes]:
    data = struct.pack(f"<{len(words)}H", *words)
    parts = [data[at : at + _DATA] for at in range(0, len(data), _DATA)] or [b""]
    return [bytes([len(parts) << 4 | index]) + part for index, part in enumerate(parts)]


def _error_frame(code: int) -> bytes:
    return b"\x10ERROR\x00" + bytes([code])

"""The words of an EPC: typed frames in SI units. Milli-units and byte orders end here.

Layouts come from ``epc_host.dbc`` and ``epc_unit.dbc`` alone. Facts of EPC firmware 1.0.0.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from importlib import resources
from typing import NamedTuple, cast

from cantools.database import load_string
from cantools.database.can import Database, Message
from cantools.database.errors import Error as DatabaseError

from bem_drivers.base import OFF, Command, Identity, Mode, ProtocolViolated

MILLI = 1000.0
DECI = 10.0
NO_FREE_DIGITS = 6
"""Decimal places of a milli-unit that are kept: the rest is the rounding error of a float."""


class MessageId(IntEnum):
    """The low four bits of an identifier on the bus."""

    MODE = 0x0
    REQUEST = 0x1
    LS_VOLTAGE = 0x2
    LS_CURRENT = 0x3
    HS_VOLTAGE = 0x4
    LS_POWER = 0x5
    TEMPERATURE = 0x6
    PERIODIC = 0x7
    INFO = 0xA
    STATUS = 0xB
    ELECTRIC = 0xC
    TEMPERATURES = 0xD


class Request(IntEnum):
    """What a REQUEST frame asks for; all but HEARTBEAT are answered."""

    INFO = 0
    MODE = 1
    STATUS = 2
    ELECTRIC = 3
    TEMPERATURES = 4
    HEARTBEAT = 5
    LS_VOLTAGE = 6
    LS_CURRENT = 7
    HS_VOLTAGE = 8
    LS_POWER = 9
    TEMPERATURE = 10

    @property
    def answer(self) -> MessageId:
        """The frame that answers this request."""
        return MessageId[self.name]


class UnitMode(IntEnum):
    """The mode field of a MODE frame."""

    WAIT = 0
    CV = 1
    CC = 2
    CP = 3
    IDLE = 4
    ERROR = 5


class LimitType(IntEnum):
    """What ends a step by itself."""

    TIME = 0
    VOLTAGE = 1
    CURRENT = 2
    POWER = 3


class Packed(NamedTuple):
    """A frame without the device it is for."""

    message_id: int
    data: bytes


def _load(name: str) -> Database:
    text = (resources.files(__package__) / name).read_text(encoding="utf-8")
    return cast("Database", load_string(text, database_format="dbc"))


_HOST: dict[int, Message] = {m.frame_id: m for m in _load("epc_host.dbc").messages}
_UNIT: dict[int, Message] = {m.frame_id: m for m in _load("epc_unit.dbc").messages}


def _encode(message_id: MessageId, **signals: int) -> Packed:
    """Put signals in a frame to a unit, exactly as long as the unit expects.

    Raises:
        cantools.database.errors.EncodeError: a signal is beyond its range.
    """
    return Packed(message_id, _HOST[message_id].encode(signals, scaling=False))


def decode(message_id: int, data: bytes) -> dict[str, int]:
    """Take the raw signals out of a frame from a unit.

    Raises:
        ProtocolViolated: a frame that no EPC sends, or of a wrong length.
    """
    message = _UNIT.get(message_id)
    if message is None or len(data) != message.length:
        raise ProtocolViolated(
            f"message 0x{message_id:X} with {len(data)} bytes ({data.hex(' ')}) is none of an EPC; "
            "does another device use the same identifiers?"
        )
    try:
        signals = message.decode(data, decode_choices=False, scaling=False)
    except DatabaseError as error:
        raise ProtocolViolated(f"message 0x{message_id:X} {data.hex(' ')}: {error}") from error
    return cast("dict[str, int]", signals)


def request(kind: Request) -> Packed:
    """Make a REQUEST frame."""
    return _encode(MessageId.REQUEST, request=kind)


@dataclass(frozen=True, slots=True)
class Control:
    """A MODE frame: what the unit shall do or does. Raw units, so that echoes compare exactly.

    ``reference`` is in mV for CV, mA for CC, 0.1 W for CP; ``limit`` in ms for TIME.
    """

    mode: UnitMode
    enable: bool = False
    limit_type: LimitType = LimitType.TIME
    reference: int = 0
    limit: int = 0

    @classmethod
    def of(cls, command: Command, limit_ms: int) -> "Control":
        """Make the frame that starts ``command`` (not OFF) for at most ``limit_ms``."""
        scale = DECI if command.mode is Mode.CP else MILLI
        return cls(
            mode=UnitMode[command.mode.name],
            enable=True,
            reference=round(command.setpoint * scale),
            limit=limit_ms,
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Control":
        """Read a MODE frame of a unit.

        Raises:
            ProtocolViolated: wrong length, reserved bits set, or a mode or limit type that does
                not exist.
        """
        raw = decode(MessageId.MODE, data)
        if raw["reserved"]:
            raise ProtocolViolated(
                f"MODE frame {data.hex(' ')} has bits set that no EPC sets; does another device "
                "use the same identifiers?"
            )
        try:
            return cls(
                mode=UnitMode(raw["mode"]),
                enable=bool(raw["enable"]),
                limit_type=LimitType(raw["limit_type"]),
                reference=raw["reference"],
                limit=raw["limit_reference"],
            )
        except ValueError as error:
            raise ProtocolViolated(f"MODE frame {data.hex(' ')}: {error}") from error

    def pack(self) -> Packed:
        """Make the frame.

        Raises:
            ValueError: IDLE or WAIT with the output enabled, which kills the unit or is refused.
        """
        if self.enable and self.mode not in _POWERED:
            raise ValueError(f"mode {self.mode.name} must not enable the output")
        return _encode(
            MessageId.MODE,
            enable=self.enable,
            mode=self.mode,
            limit_type=self.limit_type,
            reference=self.reference,
            limit_reference=self.limit,
        )

    @property
    def command(self) -> Command:
        """What the power path does, as a command; OFF whenever no power can flow."""
        mode = _POWERED.get(self.mode)
        if mode is None or not self.enable:
            return OFF
        return Command(mode, self.reference / (DECI if mode is Mode.CP else MILLI))

    def __str__(self) -> str:
        state = "enabled" if self.enable else "disabled"
        return (
            f"{self.mode.name} {state} reference {self.reference} until "
            f"{self.limit_type.name} {self.limit}"
        )


_POWERED = {UnitMode.CC: Mode.CC, UnitMode.CV: Mode.CV, UnitMode.CP: Mode.CP}

SWITCH_OFF = Control(UnitMode.WAIT, limit=1)
"""Output off at once; the unit goes from WAIT to IDLE after the one millisecond."""


@dataclass(frozen=True, slots=True)
class Register:
    """A limit register: its frame, its request, its scale and its absolute range in SI units."""

    message_id: MessageId
    title: str
    unit: str
    scale: float
    lowest: float
    highest: float

    @property
    def request(self) -> Request:
        """The request that reads it."""
        return Request[self.message_id.name]

    def outwards(self, minimum: float, maximum: float) -> tuple[float, float]:
        """Widen bounds to the register's resolution and clip them to its range.

        Raises:
            ValueError: nothing is left. Inverted bounds would put the unit in an error that only
                a power cycle ends.
        """
        low = math.floor(round(minimum * self.scale, NO_FREE_DIGITS)) / self.scale
        high = math.ceil(round(maximum * self.scale, NO_FREE_DIGITS)) / self.scale
        low, high = max(low, self.lowest), min(high, self.highest)
        if low >= high:
            raise ValueError(
                f"{self.title} limits {minimum:g}..{maximum:g} {self.unit} leave nothing of the "
                f"{self.lowest:g}..{self.highest:g} {self.unit} that an EPC can hold"
            )
        return low, high

    def pack(self, minimum: float, maximum: float) -> Packed:
        """Make the frame that sets it (big-endian).

        Raises:
            ValueError: the bounds are inverted or equal.
        """
        if minimum >= maximum:
            raise ValueError(f"{self.title} limits {minimum:g}..{maximum:g} are inverted")
        return _encode(
            self.message_id,
            minimum=round(minimum * self.scale),
            maximum=round(maximum * self.scale),
        )

    def unpack(self, data: bytes) -> tuple[float, float]:
        """Read minimum and maximum of an answer (little-endian)."""
        raw = decode(self.message_id, data)
        return raw["minimum"] / self.scale, raw["maximum"] / self.scale


LS_VOLTAGE = Register(MessageId.LS_VOLTAGE, "voltage", "V", MILLI, 0.4, 5.1)
LS_CURRENT = Register(MessageId.LS_CURRENT, "current", "A", MILLI, -15.5, 15.5)
LS_POWER = Register(MessageId.LS_POWER, "power", "W", DECI, -80.0, 80.0)
TEMPERATURE = Register(MessageId.TEMPERATURE, "temperature", "degC", DECI, -20.0, 70.0)

HEARTBEAT_UNIT_S = 0.005
LEAST_PERIOD = 10
MOST_PERIOD = 0x7FFF


def supervision(period: int | None) -> Packed:
    """Make the PERIODIC frame that supervises the host's heartbeat every ``period`` times 5 ms.

    ``None`` switches supervision off. The unit never sends measures by itself: they would compete
    with its answers for three transmit mailboxes.
    """
    return _encode(
        MessageId.PERIODIC,
        heartbeat_enable=period is not None,
        heartbeat_period=LEAST_PERIOD if period is None else period,
        electric_enable=0,
        electric_period=LEAST_PERIOD,
        temperature_enable=0,
        temperature_period=LEAST_PERIOD,
    )


@dataclass(frozen=True, slots=True)
class Info:
    """Who the unit is and which sensors it carries."""

    device_id: int
    firmware: int
    hardware_revision: int
    serial_number: int
    body_sensor: bool
    anode_sensor: bool
    ambient_sensor: bool

    @classmethod
    def unpack(cls, data: bytes) -> "Info":
        """Read an INFO frame."""
        raw = decode(MessageId.INFO, data)
        return cls(
            device_id=raw["device_id"],
            firmware=raw["firmware"],
            hardware_revision=raw["hardware_revision"],
            serial_number=raw["serial_number"],
            body_sensor=bool(raw["body_sensor"]),
            anode_sensor=bool(raw["anode_sensor"]),
            ambient_sensor=bool(raw["ambient_sensor"]),
        )

    @property
    def identity(self) -> Identity:
        """Who the unit is, as of any device."""
        return Identity(
            make="Wattrex",
            model=f"EPC rev. {chr(ord('A') + self.hardware_revision)}",
            serial=str(self.serial_number),
            firmware=str(self.firmware),
        )


FAULT_NAMES = (
    "hs_voltage",
    "ls_voltage",
    "ls_current",
    "communication",
    "temperature",
    "internal",
)


def unpack_faults(data: bytes) -> tuple[str, ...]:
    """Read a STATUS frame: the names of the errors that hold now."""
    raw = decode(MessageId.STATUS, data)
    return tuple(name for name in FAULT_NAMES if raw[name])


class _Reach(NamedTuple):
    """What a sensor of a unit can show at all (SI units)."""

    lowest: float
    highest: float


_CALIBRATION = 1.1
"""A unit's own factors and offsets move the ends of a converter by less than a tenth."""
_REACHES = {
    "voltage": _Reach(-0.6, 6.0 * _CALIBRATION),
    "current": _Reach(-16.0 * _CALIBRATION, 17.0 * _CALIBRATION),
    "supply_voltage": _Reach(-1.5, 15.0 * _CALIBRATION),
    # The STS30 reaches from -45 to 130 degC, farther than the NTC.
    "temperature_body": _Reach(-45.0, 130.0),
    "temperature_anode": _Reach(-45.0, 130.0),
    "temperature_ambient": _Reach(-45.0, 130.0),
}
"""Full scale of the converters and of the STS30 (devices.md section 2.6)."""


def unpack_electric(data: bytes) -> dict[str, float]:
    """Read an ELECTRIC frame: voltage (V), current (A), supply_voltage (V).

    Raises:
        ProtocolViolated: wrong length, or more than the converters of a unit can show.
    """
    raw = decode(MessageId.ELECTRIC, data)
    return _shown(
        {
            "voltage": _voltage(raw["ls_voltage"]),
            "current": raw["ls_current"] / MILLI,
            "supply_voltage": _voltage(raw["hs_voltage"]),
        },
        data,
    )


def unpack_temperatures(data: bytes) -> dict[str, float]:
    """Read a TEMPERATURES frame (degC): body, anode, ambient; 0 for a sensor that is not there.

    Raises:
        ProtocolViolated: wrong length, or more than the sensors of a unit can show.
    """
    raw = decode(MessageId.TEMPERATURES, data)
    return _shown(
        {f"temperature_{name}": raw[name] / DECI for name in ("body", "anode", "ambient")}, data
    )


def _voltage(count: int) -> float:
    """Get the voltage (V) of a count (mV), which has no sign: with an offset below zero in its
    image a unit without a battery sends what wraps around.
    """
    return (count - (1 << 16) if count >= 1 << 15 else count) / MILLI


def _shown(values: dict[str, float], data: bytes) -> dict[str, float]:
    """Let values pass that a unit can measure: anything else is noise, and no measurement."""
    for name, value in values.items():
        reach = _REACHES[name]
        if not reach.lowest <= value <= reach.highest:
            raise ProtocolViolated(
                f"measures {data.hex(' ')} hold a {name} of {value:g}, which no EPC can show "
                f"({reach.lowest:g} to {reach.highest:g}); does another device use the same "
                "identifiers?"
            )
    return values

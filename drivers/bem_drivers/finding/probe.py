"""How a driver recognises its device. A driver package brings one in its ``DriverSpec``.

A probe asks and listens only: nothing of it may change what a device does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from bem_drivers.base import Identity
from bem_drivers.can import CanSettings, Frame
from bem_drivers.line import SerialSettings


@dataclass(frozen=True, slots=True)
class LineProbe:
    """For a device on a serial port or TCP: one question, the same for as many as possible.

    ``port``: the serial settings of the driver, whose defaults are those of the device.
    ``identify(answer)`` raises a ``DeviceError`` for the answer of another device. An echo of the
    question is taken off before. ``start_up_s``: how long (s) the device may be deaf after its port
    was opened. ``settings``: what the driver takes besides address and serial number. Of several
    that know a device those of the lowest ``rank`` count: 0 is for drivers of the very device, of
    which one is enough. Others serve whatever is described to them, and of their descriptions,
    whose names are ``described_by``, only one may fit.
    """

    port: type[SerialSettings]
    question: str
    identify: Callable[[str], Identity]
    start_up_s: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    rank: int = 0
    described_by: str = ""


class CanQuestion(NamedTuple):
    """A frame to send, once, to a device that nobody uses.

    ``place``: what a station would have taken, were the device in use. ``talk``: the identifiers
    of frames that only come when somebody talks to the device, who must not be disturbed.
    """

    frame: Frame
    place: str
    talk: Collection[int]


class CanDevice(NamedTuple):
    """A device that a probe recognised by frames. ``settings``: what the driver takes."""

    settings: Mapping[str, Any]
    identity: Identity
    answered: bytes


@dataclass(frozen=True, slots=True)
class CanProbe:
    """For devices on a CAN bus.

    ``identifiers``: of all its devices, so that what others send shows as unknown.
    ``questions(bus)``: what to ask; nothing for devices that speak by themselves.
    ``recognise(bus, frames)``: the devices by all frames that came, in the order of their arrival.
    ``place(settings)``: names the device and no other, also where several share a bus.
    """

    identifiers: Collection[int]
    questions: Callable[[CanSettings], Sequence[CanQuestion]]
    recognise: Callable[[CanSettings, Sequence[Frame]], Sequence[CanDevice]]
    place: Callable[[Any], str]


Probe: TypeAlias = LineProbe | CanProbe

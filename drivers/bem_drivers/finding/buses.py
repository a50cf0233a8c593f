"""Listen to a CAN bus, and ask those who are silent and nobody's."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bem_drivers.base import Clock, CommunicationLost
from bem_drivers.can import CanSettings, Frame, FrameLink
from bem_drivers.finding.found import Found, InUse, Seen, Unknown
from bem_drivers.finding.probe import CanProbe, CanQuestion
from bem_drivers.registry import DriverSpec

LISTEN_FIRST_S = 1.0
"""Whoever is talked to in this time is left alone. A station asks its device ten times a second."""
LISTEN_S = 2.2
"""In all. A BMS that is silent for longer is not found."""
SPACING_S = 0.003
"""From one question to the next: the bus is left to others meanwhile."""
MOST_FRAMES = 4000
"""More than a bus of 125 kbit/s carries in that time."""
MOST_UNKNOWN = 16

UserOf = Callable[[str], str | None]
"""Who uses a place now; ``None``: nobody."""


class Listening(NamedTuple):
    """A driver and how it recognises its devices."""

    spec: DriverSpec
    probe: CanProbe


def bus_name(bus: CanSettings) -> str:
    """Get the name of a bus."""
    return f"{bus.interface}:{bus.channel}"


def search_bus(
    bus: CanSettings, listenings: Sequence[Listening], link: FrameLink, clock: Clock, user: UserOf
) -> list[Seen]:
    """Find out who is on a bus; ``link`` is the closed way to all of its frames.

    A device whose place is taken gets no frame, and neither does one that somebody talks to.

    Raises:
        DeviceNotFound: the bus cannot be opened.
    """
    link.open()
    try:
        return list(_search(bus, listenings, link, clock, user))
    finally:
        link.close()


def _search(
    bus: CanSettings, listenings: Sequence[Listening], link: FrameLink, clock: Clock, user: UserOf
) -> Iterator[Seen]:
    began_ns = clock.monotonic_ns()
    frames: list[Frame] = []
    trouble = ""
    taken: set[str] = set()
    try:
        _listen(link, clock, began_ns + round(LISTEN_FIRST_S * 1e9), frames)
        busy = {frame.frame_id for frame in frames}
        for listening in listenings:
            for question in listening.probe.questions(bus):
                by = user(question.place) or _talker(question, busy)
                if by is not None:
                    taken.add(question.place)
                    yield InUse(question.place, by)
                    continue
                link.send(question.frame)
                _listen(link, clock, clock.monotonic_ns() + round(SPACING_S * 1e9), frames)
        _listen(link, clock, began_ns + round(LISTEN_S * 1e9), frames)
    except CommunicationLost as error:
        trouble = str(error)
    known: set[int] = set()
    for spec, probe in listenings:
        known.update(probe.identifiers)
        for device in probe.recognise(bus, frames):
            place = probe.place(spec.settings.model_validate(device.settings))
            if place not in taken:
                answered = device.answered.hex(" ").upper()
                yield Found(place, spec.name, device.settings, device.identity, answered)
    yield from _unknown(bus, known, frames)
    if trouble and not frames:
        yield Unknown(bus_name(bus), trouble=trouble)


def _listen(link: FrameLink, clock: Clock, until_ns: int, frames: list[Frame]) -> None:
    while (left_ns := until_ns - clock.monotonic_ns()) > 0:
        frame = link.receive(left_ns / 1e9)
        if frame is not None and len(frames) < MOST_FRAMES:
            frames.append(frame)


def _talker(question: CanQuestion, busy: set[int]) -> str | None:
    if busy.isdisjoint(question.talk):
        return None
    return "somebody who talks to it on the bus"


def _unknown(bus: CanSettings, known: set[int], frames: Sequence[Frame]) -> Iterator[Unknown]:
    newest = {frame.frame_id: frame.data for frame in frames if frame.frame_id not in known}
    for frame_id in sorted(newest)[:MOST_UNKNOWN]:
        yield Unknown(
            f"{bus_name(bus)}, CAN id 0x{frame_id:03X}", newest[frame_id].hex(" ").upper()
        )

"""Ask what is at a serial port or at a TCP address, one question after the other."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from bem_drivers.base import Clock, CommunicationLost, DeviceError, Identity, ProtocolViolated
from bem_drivers.finding.found import Found, Unknown, shown
from bem_drivers.finding.probe import LineProbe
from bem_drivers.line import LineLink, SerialSettings, TcpSettings
from bem_drivers.registry import DriverSpec

ANSWER_S = 0.35
"""The slowest of the devices needs a third of it to say who it is."""
_UNSURE = 2
"""How often to ask where an answer came that nobody knows: bytes sent at another speed before may
have been taken for the beginning of the question.
"""


class ProbeLink(LineLink, Protocol):
    """A line whose speed can be changed while it is open."""

    def change(self, settings: SerialSettings) -> None:
        """Go on with other settings of the same port.

        Raises:
            CommunicationLost: the port has gone, or does not take them.
        """
        ...


class Asking(NamedTuple):
    """A driver and how it recognises its device."""

    spec: DriverSpec
    probe: LineProbe


class _Attempt(NamedTuple):
    settings: SerialSettings
    question: str
    start_up_s: float


class _Fit(NamedTuple):
    """A driver that knows the answer, and whose it is."""

    asking: Asking
    identity: Identity


def first_settings(port: str, askings: Sequence[Asking]) -> SerialSettings:
    """Get the settings to open the port with."""
    return _attempts(port, askings)[0].settings


def search_port(
    port: str, askings: Sequence[Asking], link: ProbeLink, clock: Clock, until_ns: int
) -> Found | Unknown:
    """Find out what is at a port.

    ``link`` is the closed line to it; the port stays open from the first question to the last, as
    opening restarts an Arduino. Devices that may be restarting are asked last.

    Raises:
        DeviceNotFound: the port cannot be opened.
    """
    attempts = _attempts(port, askings)

    def judge(attempt: _Attempt, answer: str) -> Found | Unknown | None:
        fits = _fits(askings, attempt.question, answer)
        if not fits:
            return None
        probe = fits[0].asking.probe
        address = _address(probe, attempt.settings, answer, link, clock)
        return _told(address, fits, answer)

    heard = _heard(attempts, link, clock, until_ns, lambda one: link.change(one.settings))
    return _search(attempts[0].settings.name, link, heard, judge)


def search_tcp(
    address: TcpSettings, askings: Sequence[Asking], link: LineLink, clock: Clock, until_ns: int
) -> Found | Unknown:
    """Find out what is at an address, over one connection; ``link`` is the closed line to it.

    Raises:
        DeviceNotFound: nothing takes the connection.
    """
    # A connection has no speed: each question once.
    attempts = list({one.question: one for one in _attempts("tcp", askings)}.values())

    def judge(attempt: _Attempt, answer: str) -> Found | Unknown | None:
        fits = _fits([one for one in askings if _takes_tcp(one, address)], attempt.question, answer)
        return _told(address, fits, answer) if fits else None

    heard = _heard(attempts, link, clock, until_ns, lambda _attempt: None)
    return _search(address.name, link, heard, judge)


def _search(
    place: str,
    link: LineLink,
    heard: Iterator[tuple[_Attempt, str]],
    judge: Callable[[_Attempt, str], Found | Unknown | None],
) -> Found | Unknown:
    said = ""
    link.open()
    try:
        for attempt, answer in heard:
            seen = judge(attempt, answer)
            if seen is not None:
                return seen
            said = said or answer
    except CommunicationLost as error:
        return Unknown(place, shown(said), trouble=str(error))
    finally:
        link.close()
    return Unknown(place, shown(said))


def _attempts(port: str, askings: Sequence[Asking]) -> list[_Attempt]:
    """Get what to ask, and how, each once; the patient ones last."""
    attempts: dict[tuple[object, ...], _Attempt] = {}
    for _, probe in sorted(askings, key=lambda one: one.probe.start_up_s):
        settings = probe.port(port=port)
        same = (*settings.model_dump().items(), probe.question)
        attempts[same] = _Attempt(settings, probe.question, probe.start_up_s)
    return list(attempts.values())


def _heard(
    attempts: Sequence[_Attempt],
    link: LineLink,
    clock: Clock,
    until_ns: int,
    prepare: Callable[[_Attempt], None],
) -> Iterator[tuple[_Attempt, str]]:
    """Ask each until there is no more hope; gives what came, also what nobody can read."""
    opened_ns = clock.monotonic_ns()
    for attempt in attempts:
        prepare(attempt)
        deaf_until_ns = opened_ns + round(attempt.start_up_s * 1e9)
        answered = 0
        while clock.monotonic_ns() < until_ns:
            asked_ns = clock.monotonic_ns()
            answer = _ask(attempt.question, link, clock)
            if answer is not None:
                answered += 1
                yield attempt, answer
            if answered >= _UNSURE or (not answered and asked_ns >= deaf_until_ns):
                break


def _ask(question: str, link: LineLink, clock: Clock) -> str | None:
    link.drop()
    link.send(question)
    deadline_ns = clock.monotonic_ns() + round(ANSWER_S * 1e9)
    while True:
        left_s = (deadline_ns - clock.monotonic_ns()) / 1e9
        if left_s <= 0:
            return None
        try:
            line = link.receive(left_s)
        except ProtocolViolated:
            return "bytes that are no text"
        if line is None:
            return None
        if line.strip() not in ("", question):
            return line


def _fits(askings: Sequence[Asking], question: str, answer: str) -> list[_Fit]:
    """Get the driver whose device it is, or the descriptions that fit it, of the first in rank."""
    fits: list[_Fit] = []
    for asking in sorted(askings, key=lambda one: one.probe.rank):
        if fits and asking.probe.rank > fits[0].asking.probe.rank:
            break
        identity = _recognised(asking.probe, question, answer)
        if identity is not None:
            fits.append(_Fit(asking, identity))
            if asking.probe.rank == 0:
                break
    return fits


def _recognised(probe: LineProbe, question: str, answer: str) -> Identity | None:
    if probe.question != question:
        return None
    try:
        return probe.identify(answer)
    except DeviceError:
        return None


def _takes_tcp(asking: Asking, address: TcpSettings) -> bool:
    try:
        asking.spec.settings.model_validate({**asking.probe.settings, "address": _said(address)})
    except ValidationError:
        return False
    return True


def _address(
    probe: LineProbe, worked: SerialSettings, answer: str, link: ProbeLink, clock: Clock
) -> SerialSettings:
    """Get the device's port settings: its driver's own if it answers by them, as it does by any
    behind a USB port that has no speed.
    """
    own = probe.port(port=worked.port)
    same = worked.model_dump()
    if own.model_dump() == same:
        return own
    link.change(own)
    if _ask(probe.question, link, clock) == answer:
        return own
    return probe.port.model_validate(same)


def _told(
    address: SerialSettings | TcpSettings, fits: Sequence[_Fit], answer: str
) -> Found | Unknown:
    if len(fits) > 1:
        names = " and ".join(one.asking.probe.described_by for one in fits)
        return Unknown(
            address.name,
            shown(answer),
            trouble=f"the descriptions {names} fit alike: have their patterns tell it apart",
        )
    (spec, probe), identity = fits[0]
    settings: dict[str, object] = {**probe.settings, "address": _said(address)}
    if identity.serial and "serial_number" in spec.settings.model_fields:
        numbered = {**settings, "serial_number": identity.serial}
        try:
            spec.settings.model_validate(numbered)
        except ValidationError:
            # A number of a form that the driver does not compare.
            numbered = settings
        settings = numbered
    return Found(address.name, spec.name, settings, identity, shown(answer))


def _said(address: SerialSettings | TcpSettings) -> dict[str, object]:
    return {"kind": address.kind, **address.model_dump(mode="json", exclude_defaults=True)}

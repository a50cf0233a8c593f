"""What a described source, load and meter have in common: being found, asked and told."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from bem_drivers.base import (
    Channel,
    Clock,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceFault,
    DeviceNotFound,
    Identity,
    Measured,
    ProtocolViolated,
    WrongDevice,
)
from bem_drivers.line import Dialogue, LineLink
from bem_drivers.scpi.codec import (
    bits_of,
    identity_in,
    is_one_of,
    parts_of,
    same_line,
    unquoted,
    value_of,
)
from bem_drivers.scpi.description import (
    FaultQuery,
    Measure,
    MeterDescription,
    PowerDescription,
    Value,
)

_T = TypeVar("_T")

IDENTIFY_ATTEMPTS = 2
"""The first line over a port may be spoilt by what stood in the instrument's input."""
POLL_S = 0.02


class Instrument:
    """One instrument at ``link``, as its description says."""

    def __init__(
        self, description: PowerDescription | MeterDescription, clock: Clock, link: LineLink
    ) -> None:
        timing = description.timing
        self._description = description
        self._clock = clock
        self._settle_ns = round(timing.settle_s * 1e9)
        self._dialogue = Dialogue(
            link, description.title, clock, timing.reply_timeout_s, timing.spacing_s
        )
        self._faulty: tuple[FaultQuery, ...] = ()
        self._is_ours = False

    @property
    def name(self) -> str:
        """The instrument and its line, for messages."""
        return self._dialogue.name

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What it measures."""
        return tuple(
            Channel(
                value.channel,
                value.si_unit,
                value.title or value.channel.replace("_", " ").capitalize(),
            )
            for value in self._description.values
        )

    # Being there -----------------------------------------------------------------------------

    def open(self, serial_number: str | None) -> Identity:
        """Connect, identify and take control. Sends nothing but a question to a wrong device.

        Raises:
            DeviceNotFound: no port or no answer. WrongDevice: another answer than described.
            DeviceFault: its error queue does not empty.
        """
        self._dialogue.open()
        self._is_ours = False
        identity = self._identify(serial_number)
        self._is_ours = True
        self.tell(self._description.remote.take)
        self.tell(self._description.prepare)
        self.forget_errors()
        return identity

    def close(self) -> None:
        """Give control back and let go of the line. Never raises for one that has gone."""
        if self._is_ours:
            self._is_ours = False
            # One that has gone has nobody to give control to.
            with suppress(DeviceError):
                self.tell(self._description.remote.give_back)
        self._dialogue.close()

    def _identify(self, serial_number: str | None) -> Identity:
        described = self._description.identification
        answer = self._ask_first(described.ask)
        identity = identity_in(described.pattern, answer)
        if identity is None:
            raise WrongDevice(
                f"{self.name} answers {described.ask!r} by {answer.strip()!r}, which the pattern "
                f"{described.pattern!r} of its description does not fit: connect the right "
                "instrument or correct the description"
            )
        if serial_number not in (None, identity.serial):
            raise WrongDevice(
                f"{self.name} has the serial number {identity.serial or 'none'}, the settings name "
                f"{serial_number}: connect that one or correct the settings"
            )
        return identity

    def _ask_first(self, question: str) -> str:
        error: DeviceError | None = None
        for _ in range(IDENTIFY_ATTEMPTS):
            try:
                return self.ask(question)[0]
            except CommunicationLost as lost:
                error = DeviceNotFound(f"nothing answers: {lost}")
            except ProtocolViolated as odd:
                error = WrongDevice(f"what answers is no such instrument: {odd}")
        assert error is not None  # noqa: S101 - there is at least one attempt
        raise error

    # Lines -----------------------------------------------------------------------------------

    def tell(self, lines: Iterable[str]) -> None:
        """Send lines that are not answered.

        Raises:
            CommunicationLost: the line has gone, or an expected echo did not come.
            ProtocolViolated: something else came in place of the echo.
        """
        for line in lines:
            if not self._description.echo:
                self._dialogue.tell(line)
                continue
            repeated, _ = self._dialogue.ask(line)
            if not same_line(repeated, line):
                raise ProtocolViolated(
                    f"{self.name}: {repeated!r} came where the echo of {line!r} belongs; check "
                    "'echo' in its description and that nothing else writes to the line"
                )

    def ask(self, question: str) -> tuple[str, int]:
        """Get an answer and the instant (monotonic ns) of its arrival.

        Raises:
            CommunicationLost: no answer in time. ProtocolViolated: no text.
        """
        return self._dialogue.ask(question, echo=self._description.echo)

    def asked(self, question: str, understand: Callable[[str], _T]) -> tuple[_T, int]:
        """Get what an answer means and the instant of its arrival.

        Raises:
            ProtocolViolated: ``understand`` did; the message names instrument and question.
        """
        answer, at_ns = self.ask(question)
        try:
            return understand(answer), at_ns
        except ProtocolViolated as error:
            raise ProtocolViolated(f"{self.name}: answer to {question!r}: {error}") from error

    def settled(
        self, question: str, understand: Callable[[str], _T], accepted: Callable[[_T], bool]
    ) -> _T:
        """Ask until the answer is accepted, for as long as the instrument may take; get the last.

        Raises:
            CommunicationLost: no answer in time. ProtocolViolated: not understood.
        """
        until_ns = self._clock.monotonic_ns() + self._settle_ns
        while True:
            meaning, at_ns = self.asked(question, understand)
            if accepted(meaning) or at_ns >= until_ns:
                return meaning
            self._clock.sleep(POLL_S)

    # What it says ----------------------------------------------------------------------------

    def measure(self) -> dict[str, Measured]:
        """Get every channel, fresh.

        Raises:
            CommunicationLost: no answer in time. ProtocolViolated: no number, another unit.
        """
        measured: dict[str, Measured] = {}
        for measure in self._description.measures:
            values, at_ns = self.asked(measure.ask, partial(self._values, measure))
            measured |= {name: Measured(value, at_ns) for name, value in values.items()}
        return measured

    def _values(self, measure: Measure, answer: str) -> dict[str, float]:
        parts = parts_of(answer, measure.separator, measure.size)
        return {value.channel: self._value(value, parts[value.at]) for value in measure.values}

    def _value(self, value: Value, text: str) -> float:
        suffix = value.si_unit if value.suffix is None else value.suffix
        return value_of(text, suffix or None) * value.scale * self._sign(value)

    def _sign(self, value: Value) -> int:
        if value.sign is not None:
            return value.sign
        sinks = self._description.kind == "load" and value.quantity in ("current", "power")
        return -1 if sinks else 1

    def faults(self) -> tuple[str, ...]:
        """Get the names of what is wrong, in the words of the description.

        Raises:
            CommunicationLost: no answer in time. ProtocolViolated: no status.
        """
        found: set[str] = set()
        faulty = []
        for query in self._description.faults:
            names, _ = self.asked(query.ask, partial(_faults_of, query))
            if names:
                faulty.append(query)
                found.update(names)
        self._faulty = tuple(faulty)
        return tuple(sorted(found))

    def clear_faults(self) -> None:
        """End the faults that were found last. Only called while the output is off."""
        faulty, self._faulty = self._faulty, ()
        for query in faulty:
            self.tell(query.clear)

    # Its error queue -------------------------------------------------------------------------

    def forget_errors(self) -> None:
        """Empty the error queue, whatever is in it.

        Raises:
            DeviceFault: it does not empty.
        """
        self._errors()

    def check_errors(self, doing: str) -> None:
        """Empty the error queue after commands.

        Raises:
            ConfigurationRefused: there was an error; ``doing`` says in what.
        """
        found = self._errors()
        if found:
            raise ConfigurationRefused(
                f"{self.name} refused {doing}: {'; '.join(found)}; check the lines of its "
                "description and its ratings"
            )

    def _errors(self) -> list[str]:
        query = self._description.errors
        if query is None:
            return []
        found: list[str] = []
        for _ in range(query.most + 1):
            answer = self.ask(query.ask)[0].strip()
            if re.search(query.none, answer):
                return found
            found.append(answer)
        raise DeviceFault(
            f"{self.name} says {found[-1]!r} to {query.ask!r} for the {len(found)}th time: "
            "correct 'errors.none' in its description, or switch the instrument off and on"
        )


def _faults_of(query: FaultQuery, answer: str) -> list[str]:
    if query.answers:
        return [name for word, name in query.answers.items() if is_one_of(answer, (word,))]
    status = bits_of(unquoted(answer))
    return [name for bit, name in query.bits.items() if status >> bit & 1]

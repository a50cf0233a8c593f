"""What is told to one output of an EA supply and asked of it, and what its answers mean."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from bem_drivers.base import CommunicationLost, Identity, ProtocolViolated, WrongDevice
from bem_drivers.ea import codec
from bem_drivers.ea.codec import Measures
from bem_drivers.line import Dialogue

IDENTIFY_ATTEMPTS = 2
"""What a killed process left of a command spoils the first question."""
MOST_ERRORS = 3
"""Errors that are asked for in one go, so that a pass of the control loop stays short."""

_Value = TypeVar("_Value")


class EaExchange:
    """Output ``output`` of a dual unit, ``None`` of others, at the far end of ``dialogue``.

    Questions raise ``CommunicationLost`` without an answer, and ``ProtocolViolated`` for one that
    means nothing.
    """

    def __init__(self, dialogue: Dialogue, output: int | None) -> None:
        self._dialogue = dialogue
        self._suffix = codec.suffix(output)

    @property
    def name(self) -> str:
        """The output and its line, for messages."""
        return self._dialogue.name

    def open(self) -> None:
        """Connect."""
        self._dialogue.open()

    def close(self) -> None:
        """Let go of the line."""
        self._dialogue.close()

    def tell(self, line: str) -> None:
        """Send a command."""
        self._dialogue.tell(line + self._suffix)

    def identity(self) -> Identity:
        """Ask who it is.

        Raises:
            WrongDevice: another device.
        """
        with self._named():
            return codec.parse_identity(self._ask_identity())

    def nominal(self, question: str, unit: str) -> float:
        """Ask for a nominal value in ``unit``."""
        return self._ask(question, lambda text: codec.parse_nominal(question, text, unit))

    def is_on(self) -> bool:
        """Ask whether the output is on."""
        return self._ask(codec.OUTPUT, codec.parse_output)

    def measures(self) -> tuple[Measures, int]:
        """Ask for measures; get the instant at which they arrived (ns) as well."""
        with self._named():
            text, at_ns = self._dialogue.ask(codec.MEASURE + self._suffix)
            return codec.parse_measures(text), at_ns

    def take_errors(self, most: int = MOST_ERRORS) -> tuple[str, ...]:
        """Take errors from the unit's queue, which is one for all outputs; each is told once."""
        errors: dict[str, None] = {}
        for _ in range(most):
            with self._named():
                error = codec.parse_error(self._dialogue.ask(codec.ERROR)[0])
            if error is None:
                break
            errors[error] = None
        return tuple(errors)

    def _ask_identity(self) -> str:
        for _ in range(IDENTIFY_ATTEMPTS - 1):
            with contextlib.suppress(CommunicationLost, ProtocolViolated):
                return self._dialogue.ask(codec.IDENTIFY)[0]
        try:
            return self._dialogue.ask(codec.IDENTIFY)[0]
        except ProtocolViolated as error:
            raise WrongDevice(
                f"{error}; check that it is an EA supply and that it is set to 9600 baud"
            ) from error

    def _ask(self, question: str, parse: Callable[[str], _Value]) -> _Value:
        with self._named():
            return parse(self._dialogue.ask(question + self._suffix)[0])

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Say in messages of the codec which device it is."""
        try:
            yield
        except (ProtocolViolated, WrongDevice) as error:
            if self.name in str(error):
                raise
            raise type(error)(f"{self.name}: {error}") from error

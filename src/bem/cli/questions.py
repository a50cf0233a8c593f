"""Asks a person at the terminal for what was not said by options."""

import math
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class NotAnswered(Exception):
    """Something needed was neither said nor answered. The message says what, and how to say it."""


class Questions:
    """Asks only for what is missing. With ``silent`` nothing is asked, what is missing is noted.

    ``ask`` shows a prompt and gets a line, as :func:`input` does.
    """

    def __init__(self, *, silent: bool, ask: Callable[[str], str] = input) -> None:
        self._silent = silent
        self._ask = ask
        self._missing: list[str] = []

    def text(self, said: str | None, option: str, question: str, default: str | None = None) -> str:
        """Get a text that is not empty."""
        return self._get(said, option, question, default, _some) or ""

    def choice(self, said: str | None, option: str, question: str, choices: Sequence[str]) -> str:
        """Get one of ``choices``."""

        def one(text: str) -> str:
            if text not in choices:
                raise ValueError(f"answer one of: {', '.join(choices)}")
            return text

        question = f"{question} ({' or '.join(choices)})"
        # Anything does for what is missing, since nothing is done with it.
        return self._get(said, option, question, None, one) or choices[0]

    def number(self, said: float | None, option: str, question: str) -> float:
        """Get a finite number."""
        if said is not None and not math.isfinite(said):
            raise NotAnswered(f"{option} {said} is no number")
        return self._get(said, option, question, None, _number) or 0.0

    def confirm(self, question: str) -> None:
        """Go on only if a person says yes.

        Raises:
            NotAnswered: the answer is another.
        """
        if not self._silent and self._line(f"{question} [yes/no] ").lower() not in ("y", "yes"):
            raise NotAnswered("not confirmed; nothing was switched on")

    def tell(self, text: str) -> None:
        """Tell a person what to do."""
        if not self._silent:
            sys.stdout.write(f"{text}\n")

    def check(self) -> None:
        """See that nothing is missing.

        Raises:
            NotAnswered: these options are missing.
        """
        if self._missing:
            raise NotAnswered(f"with --yes, these are needed too: {', '.join(self._missing)}")

    def _get(
        self,
        said: T | None,
        option: str,
        question: str,
        default: T | None,
        parse: Callable[[str], T],
    ) -> T | None:
        if said is not None:
            return said
        if self._silent:
            if default is None:
                self._missing.append(option)
            return default
        shown = question if default is None else f"{question} [{default}]"
        while True:
            answer = self._line(f"{shown}: ")
            if not answer and default is not None:
                return default
            try:
                return parse(answer)
            except ValueError as error:
                sys.stdout.write(f"{error}\n")

    def _line(self, prompt: str) -> str:
        try:
            return self._ask(prompt).strip()
        except EOFError:
            raise NotAnswered(
                "nobody answers at this terminal; say everything by options, with --yes"
            ) from None


def _some(text: str) -> str:
    if not text:
        raise ValueError("an answer is needed")
    return text


def _number(text: str) -> float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number; write it like 4.2")
    return number

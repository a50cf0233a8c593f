"""What a simulated EA supply understands. Written by hand, so that it checks the driver's."""

import re
from typing import NamedTuple

SUFFIX = re.compile(r"\s*\(@([0-9]+)\)\s*$")
_COMMAND = re.compile(
    r"(?P<header>\*?[A-Za-z:]+)(?P<question>\?)?(?:\s+(?P<value>\S.*))?", re.DOTALL
)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")

_KEYWORDS = {
    "syst": "system",
    "nom": "nominal",
    "curr": "current",
    "volt": "voltage",
    "pow": "power",
    "meas": "measure",
    "arr": "array",
    "outp": "output",
    "err": "error",
}
"""Short forms and what they stand for."""


class Words(NamedTuple):
    """A command: its header in long small words, the value behind it, and the output meant.

    ``output`` counts from 1; ``None``: no suffix.
    """

    header: str
    value: str
    output: int | None


def commands(line: str) -> list[str]:
    """Split what came in one line."""
    return [part.strip() for part in line.split(";") if part.strip()]


def understand(command: str) -> Words | None:
    """Take a command apart; ``None``: it is none.

    In any case, with or without a colon before it, short or long, and with a stray colon between
    header and value.
    """
    suffix = SUFFIX.search(command)
    output = None if suffix is None else int(suffix[1])
    text = (command if suffix is None else command[: suffix.start()]).strip()
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    header = found["header"].removeprefix(":")
    if found["value"] is not None:
        header = header.removesuffix(":")
    words = [_KEYWORDS.get(word, word) for word in header.lower().split(":")]
    return Words(":".join(words) + (found["question"] or ""), found["value"] or "", output)


def magnitude(value: str) -> float | None:
    """Get the number of a set point; ``None``: it is none."""
    return float(value) if _NUMBER.fullmatch(value) else None

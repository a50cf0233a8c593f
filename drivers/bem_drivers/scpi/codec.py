"""Lines and answers of an instrument that a description explains. Pure: text in, values out."""

import math
import re
from functools import cache
from string import Formatter

from bem_drivers.base import Identity, ProtocolViolated
from bem_drivers.scpi.numbers import number

LONGEST_LINE = 200
OVER_RANGE = 9.9e37
"""SCPI-99 volume 1, 7.2.1: 9.9E37 is an infinity and 9.91E37 is "not a number"."""
_NUMBER = r"(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_TRIAL = 1.5


def check_line(line: str) -> str:
    """Refuse what cannot be one line on the wire.

    Raises:
        ValueError: blank, longer than 200 characters, or with characters that are not printable
            ASCII; the message says which.
    """
    text = line.strip()
    if not text:
        raise ValueError("a line to the instrument must not be blank; leave it out")
    if len(text) > LONGEST_LINE:
        raise ValueError(f"a line has at most {LONGEST_LINE} characters, this one {len(text)}")
    odd = next((one for one in text if not " " <= one <= "~"), None)
    if odd is not None:
        raise ValueError(f"{odd!r} is no printable ASCII character; give each line by itself")
    return text


class Template:
    """A line with one number in it, such as ``VOLT {value:.3f}``.

    Raises:
        ValueError: another count of ``{value}`` than one, or a format that makes no number.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        fields = self._fields(text)
        if len(fields) != 1:
            raise ValueError(
                f"{text!r} has {len(fields)} times {{value}}; write it once, such as "
                "'VOLT {value:.3f}'"
            )
        self._spec = fields[0]
        try:
            self.rounded(_TRIAL)
        except ValueError as error:
            raise ValueError(
                f"{text!r}: the format {self._spec!r} does not make a number ({error}); "
                "use one such as '{value:.3f}'"
            ) from None
        self._pattern = self._as_pattern(text)

    def line(self, value: float) -> str:
        """Get the line that carries ``value`` (in the instrument's unit)."""
        # Adding zero makes -0.0 a plain zero, which instruments prefer.
        return self.text.format(value=value + 0.0)

    def rounded(self, value: float) -> float:
        """Get what the line really says of ``value``."""
        return float(format(value + 0.0, self._spec))

    def value(self, line: str) -> float | None:
        """Get the number that ``line`` carries, ``None`` if it is another line."""
        match = self._pattern.fullmatch(line.strip())
        return None if match is None else float(match["value"])

    @staticmethod
    def _fields(text: str) -> list[str]:
        specs = []
        for _, name, spec, conversion in Formatter().parse(text):
            if name is None:
                continue
            if name != "value" or conversion is not None or "{" in (spec or ""):
                raise ValueError(
                    f"{text!r} has the place holder {name!r}; only {{value}} with a format is known"
                )
            specs.append(spec or "")
        return specs

    @staticmethod
    def _as_pattern(text: str) -> re.Pattern[str]:
        parts = []
        for literal, name, _, _ in Formatter().parse(text):
            parts.append(re.escape(literal).replace(r"\ ", r"\s+"))
            if name is not None:
                parts.append(_NUMBER)
        return re.compile("".join(parts), re.IGNORECASE)


@cache
def template(text: str) -> Template:
    """Get the template of a line; a description has few of them, and they are used often."""
    return Template(text)


def identity_in(pattern: str, answer: str) -> Identity | None:
    """Get who an instrument says it is; ``None`` if the pattern is not found in its answer.

    ``pattern`` has the named groups ``model`` and, where told, ``make``, ``serial``, ``firmware``.
    """
    match = re.search(pattern, answer.strip())
    if match is None:
        return None
    said = {name: (text or "").strip() for name, text in match.groupdict().items()}
    return Identity(
        make=said.get("make", ""),
        model=said["model"],
        serial=said.get("serial", ""),
        firmware=said.get("firmware", ""),
    )


def same_line(one: str, other: str) -> bool:
    """Whether two lines say the same: SCPI knows no case and no count of blanks."""
    return one.casefold().split() == other.casefold().split()


def unquoted(answer: str) -> str:
    """Get a string answer without the quotes that SCPI puts around it."""
    text = answer.strip()
    for quote in ('"', "'"):
        if len(text) > 1 and text[0] == text[-1] == quote:
            return text[1:-1].strip()
    return text


def is_one_of(answer: str, words: tuple[str, ...]) -> bool:
    """Whether an answer is one of the expected words, whatever its case and quotes."""
    return unquoted(answer).casefold() in {word.casefold() for word in words}


def value_of(answer: str, unit: str | None) -> float:
    """Get the number of an answer, with or without its unit.

    Raises:
        ProtocolViolated: no finite number, another unit, or SCPI's sign for "over range".
    """
    value = number(answer, unit)
    if not math.isfinite(value) or abs(value) >= OVER_RANGE:
        raise ProtocolViolated(
            f"it says {answer.strip()!r}, by which SCPI means over range or nothing measured; "
            "check its range and its leads"
        )
    return value


def parts_of(answer: str, separator: str, count: int) -> list[str]:
    """Split an answer with several values.

    Raises:
        ProtocolViolated: another count of values than described.
    """
    parts = [part.strip() for part in answer.split(separator)]
    if len(parts) != count:
        raise ProtocolViolated(f"it says {answer!r}, which has {len(parts)} values, not {count}")
    return parts


def bits_of(answer: str) -> int:
    """Get a status register.

    Raises:
        ProtocolViolated: no whole number from 0 to 2**32-1.
    """
    value = value_of(answer, None)
    if not value.is_integer() or not 0 <= value < 2**32:
        raise ProtocolViolated(f"it says {answer!r}, which is no status register")
    return int(value)

"""The words of the language: their spellings, and how messages speak of them."""

import difflib
from collections.abc import Iterable, Iterator, Sequence, Set

from lark import Token
from lark.lark import PostLex

from bem.domain.units import Dimension, find_unit, suggest_unit

_SPELLINGS = {
    "rest": "REST",
    "wait": "WAIT",
    "charge": "CHARGE",
    "discharge": "DISCHARGE",
    "hold": "HOLD",
    "at": "_AT",
    "until": "UNTIL",
    "till": "UNTIL",
    "for": "FOR",
    "or": "_OR",
    "voltage": "VOLTAGE",
    "current": "CURRENT",
    "capacity": "CAPACITY",
    "power": "POWER",
    "time": "TIME",
    "above": "ABOVE",
    "below": "BELOW",
    "record": "_RECORD",
    "every": "_EVERY",
    "period": "_PERIOD",
    "repeat": "_REPEAT",
    "times": "_TIMES",
    "x": "_TIMES",
    "c": "RATE",
    "cc": "CC",
    "cv": "CV",
    "cp": "CP",
}
_SIGNS = {">": "ABOVE", ">=": "ABOVE", "≥": "ABOVE", "<": "BELOW", "<=": "BELOW", "≤": "BELOW"}

# What people write where the language has another word.
_MEANT = {
    "to": "until",
    "during": "for",
    "and": "or",
    "with": "at",
    "over": "above",
    "exceeds": "above",
    "under": "below",
    "pause": "rest",
    "loop": "repeat",
    "keep": "hold",
    "log": "record",
    "save": "record",
    "each": "every",
}

UNKNOWN_UNIT = "?"
"""Value of a UNIT token that stands for a word that is no unit and has been reported."""


class Words(PostLex):
    """Tells the words of a line apart: keywords and units in any case, and those that are none."""

    always_accept = ("GROUPED", "WORD", "SIGN", "OTHER")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Give each token its final type, one by one."""
        for token in stream:
            if token.type == "WORD":
                token.type = _type_of(token.value)
            elif token.type == "SIGN":
                token.type = _SIGNS[token.value]
            yield token


def _type_of(word: str) -> str:
    keyword = _SPELLINGS.get(word.lower())
    if keyword is not None:
        return keyword
    return "WORD" if find_unit(word) is None else "UNIT"


def could_be_unit(token: Token) -> bool:
    """Whether somebody may have meant a unit by a word that has no place where it stands."""
    return token.type in ("WORD", "_TIMES")


def opens_loop(code: str) -> bool:
    """Whether a line that cannot be read was meant to open a loop."""
    first = code.split(maxsplit=1)[0].lower()
    return _SPELLINGS.get(first) == "_REPEAT" or code.endswith(":")


def keyword(terminal: str) -> str | None:
    """The spelling of a terminal that has exactly one meaning in a text: ``_AT`` is ``at``."""
    return next((word for word, one in _SPELLINGS.items() if one == terminal), None)


def meant(word: str, accepted: Set[str]) -> tuple[str, str] | None:
    """Guess what a word that fits nowhere was meant to be.

    Returns:
        The terminal and its spelling, from among those that may stand there, or ``None``.
    """
    if "UNIT" in accepted:
        unit = suggest_unit(word)
        if unit is not None:
            return "UNIT", unit
    known = {one: terminal for one, terminal in _SPELLINGS.items() if terminal in accepted}
    other = _MEANT.get(word.lower())
    if other in known:
        return known[other], other
    candidates = [one for one in known if len(one) > 1]
    close = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    return (known[close[0]], close[0]) if close else None


_SETPOINTS = {
    "CHARGE": (Dimension.CURRENT.example, Dimension.POWER.example),
    "DISCHARGE": (Dimension.CURRENT.example, Dimension.POWER.example),
    "HOLD": (Dimension.VOLTAGE.example,),
}
ENDS = (
    Dimension.DURATION.example,
    Dimension.VOLTAGE.example,
    Dimension.CURRENT.example,
    Dimension.CAPACITY.example,
)
"""What may end a step, in words."""
CHANGES = (
    "a time such as 10 s",
    "a voltage change such as 5 mV",
    "a current change such as 10 mA",
)
"""What may make a sample, in words."""

_PHRASES = {
    "REST": "'Rest'",
    "CHARGE": "'Charge'",
    "DISCHARGE": "'Discharge'",
    "HOLD": "'Hold'",
    "_REPEAT": "'Repeat'",
    "_AT": "'at'",
    "UNTIL": "'until'",
    "FOR": "'for'",
    "_OR": "'or'",
    "_RECORD": "'record every'",
    "UNIT": "a unit such as V, A, W, Ah or min",
    "_PERIOD": "'period'",
    "_TIMES": "'times'",
    "_SLASH": "'/' and a number as in C/2",
    "_COMMA": "a comma",
    "RPAR": "')'",
}
_LIMITS = {
    "TIME": "'TIME'",
    "VOLTAGE": "'VOLTAGE'",
    "CURRENT": "'CURRENT'",
}


def setpoints(verb: str) -> tuple[str, ...]:
    """What may follow ``Charge at`` and its like, in words."""
    return _SETPOINTS[verb]


def phrases(accepted: Set[str], before: Sequence[Token]) -> list[str]:
    """Say in words what may stand in a place.

    Args:
        accepted: the terminals that the grammar takes there.
        before: the tokens in front of the place that are not yet part of something complete.
    """
    words: list[str] = []
    if "NUMBER" in accepted:
        words.extend(_value_phrases([token.type for token in before]))
    elif "TIME" in accepted and "VOLTAGE" in accepted:
        words.extend(_LIMITS.values())
    for terminal, phrase in _PHRASES.items():
        if terminal in accepted and not (terminal == "_EVERY" and words):
            words.append(phrase)
    if "$END" in accepted:
        words.append("the end of the line")
    return words


def _value_phrases(before: Sequence[str]) -> Iterable[str]:
    last = before[-1] if before else ""
    if last == "_AT":
        return _SETPOINTS.get(before[-2], ENDS)
    if "_RECORD" in before:
        return CHANGES
    fixed = {
        "FOR": (Dimension.DURATION.example,),
        "LPAR": (Dimension.DURATION.example,),
        "VOLTAGE": (Dimension.VOLTAGE.example,),
        "CURRENT": (Dimension.CURRENT.example,),
        "CAPACITY": (Dimension.CAPACITY.example,),
        "_REPEAT": ("a number of times such as 500",),
        "_SLASH": ("a number such as 20",),
        "_COMMA": ("a number",),
        "UNIT": ("a further part such as 30 min",) if "FOR" in before else (),
    }
    return fixed.get(last, ENDS)

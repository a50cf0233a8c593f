"""The words of the language: their spellings, and how messages speak of them."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from enum import StrEnum

from lark import Token
from lark.lark import PostLex

from bem.domain.profile.model import IDENTIFIER, RESERVED
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
    "pause": "PAUSE",
    "energy": "ENERGY",
    "temperature": "TEMPERATURE",
    "slope": "SLOPE",
    "dv/dt": "SLOPE",
    "flow": "FLOW",
    "cell": "CELL",
    "duration": "DURATION",
    "falls": "FALLS",
    "drops": "FALLS",
    "by": "_BY",
    "then": "_THEN",
    "next": "NEXT",
    "stop": "STOP",
    "fail": "FAIL",
    "limit": "_LIMIT",
    "most": "_MOST",
    "forever": "FOREVER",
    "of": "_OF",
    "the": "_THE",
    "first": "_FIRST",
    "cycle": "_CYCLE",
    "pass": "_CYCLE",
    "drive": "_DRIVE",
    "pulse": "_PULSE",
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
    "loop": "repeat",
    "keep": "hold",
    "log": "record",
    "save": "record",
    "each": "every",
    "max": "most",
    "maximum": "most",
    "endless": "forever",
    "abort": "fail",
    "end": "stop",
    "continue": "next",
    "table": "drive",
    "pulses": "pulse",
    "falling": "falls",
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


class Opens(StrEnum):
    """What a line opens: the lines indented below it belong to it."""

    LOOP = "loop"
    TABLE = "table"
    PULSES = "pulses"


def opened_by(code: str) -> Opens | None:
    """What a line that cannot be read was meant to open."""
    first = code.split(maxsplit=1)[0].lower().rstrip(":") if code.strip() else ""
    openers = {"_REPEAT": Opens.LOOP, "_DRIVE": Opens.TABLE, "_PULSE": Opens.PULSES}
    opens = openers.get(_SPELLINGS.get(first, ""))
    return Opens.LOOP if opens is None and code.endswith(":") else opens


def name_in(token: Token) -> str | None:
    """The label or parameter that a GO_TO or PARAMETER token names."""
    words = token.value.split()
    is_written_apart = token.type == "GO_TO" and words[0].lower() == "go"
    is_named = len(words) > 1 + is_written_apart
    return words[-1].lower() if is_named else None


def trouble_with_name(name: str) -> str | None:
    """Why a label or parameter cannot have this name, in lower case, or ``None`` if it can."""
    if name in RESERVED:
        return f"'{name}' is a word of the language and cannot be a name: choose another"
    if re.fullmatch(IDENTIFIER, name) is None:
        return (
            f"'{name}' cannot be a name: use a letter and then at most 31 letters a to z, digits "
            "and underscores, such as 'soak_2'"
        )
    return None


def keyword(terminal: str) -> str | None:
    """The spelling of a terminal that has exactly one meaning in a text: ``_AT`` is ``at``."""
    if terminal == "_EQUALS":
        return "="
    return next((word for word, one in _SPELLINGS.items() if one == terminal), None)


def left_out(accepted: Set[str], found: str, before: Sequence[Token]) -> str | None:
    """The terminal that somebody left out in front of a token of the type ``found``, if clear."""
    if found in ("$END", "WORD"):
        return None
    if len(accepted) == 1:
        return next(iter(accepted))
    is_rest = bool(before) and before[-1].type in ("REST", "WAIT")
    return "FOR" if found == "NUMBER" and is_rest else None


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
    "CHARGE": (Dimension.CURRENT, Dimension.POWER),
    "DISCHARGE": (Dimension.CURRENT, Dimension.POWER, Dimension.RESISTANCE),
    "HOLD": (Dimension.VOLTAGE,),
}
_ENDS = (
    Dimension.DURATION,
    Dimension.VOLTAGE,
    Dimension.CURRENT,
    Dimension.POWER,
    Dimension.ENERGY,
    Dimension.CAPACITY,
)
_LIMITS = (
    Dimension.VOLTAGE,
    Dimension.CURRENT,
    Dimension.POWER,
    Dimension.TEMPERATURE,
    Dimension.CAPACITY,
    Dimension.DURATION,
    Dimension.FLOW,
)
_SETPOINT_WORDS = {
    verb: tuple(one.example for one in dimensions) for verb, dimensions in _SETPOINTS.items()
}
ENDS = tuple(one.example for one in _ENDS)
"""What may end a step, in words."""
LIMITS = tuple(one.example for one in _LIMITS)
"""What may be limited, in words."""
SHARE = "a share such as 80 % of the first cycle"
"""What may end a loop beside a charge or an energy, in words."""
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
    "PAUSE": "'Pause'",
    "_REPEAT": "'Repeat'",
    "_DRIVE": "'Drive'",
    "_PULSE": "'Pulse'",
    "PARAMETER": "'Parameter'",
    "STRING": "a message in double quotes",
    "_AT": "'at'",
    "UNTIL": "'until'",
    "FOR": "'for'",
    "_OR": "'or'",
    "_THEN": "'then'",
    "NEXT": "'next'",
    "GO_TO": "'go to' and a label",
    "STOP": "'stop'",
    "FAIL": "'fail'",
    "FALLS": "'falls by'",
    "_BY": "'by'",
    "_RECORD": "'record every'",
    "_LIMIT": "'limit'",
    "UNIT": "a unit such as V, A, W, Ah or min",
    "_PERIOD": "'period'",
    "_TIMES": "'times'",
    "_MOST": "'most'",
    "FOREVER": "'forever'",
    "_SLASH": "'/' and a number as in C/2",
    "_COMMA": "a comma",
    "_EQUALS": "'='",
    "_OF": "'of the first cycle'",
    "_FIRST": "'first'",
    "_CYCLE": "'cycle'",
    "_COLON": "':'",
    "RPAR": "')'",
}
_NAMES = {
    "TIME": "'TIME'",
    "VOLTAGE": "'VOLTAGE'",
    "CURRENT": "'CURRENT'",
    "POWER": "'POWER'",
}
_DRIVEN = ("'current'", "'power'", "'C-rate'")
_QUANTITIES = {
    "CAPACITY": "'capacity'",
    "ENERGY": "'energy'",
    "VOLTAGE": "'voltage'",
    "ABOVE": "'above'",
    "BELOW": "'below'",
}


def setpoints(verb: str) -> tuple[str, ...]:
    """What may follow ``Charge at`` and its like, in words."""
    return _SETPOINT_WORDS[verb]


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
        words.extend(_NAMES.values())
    elif "C_RATE" in accepted:
        words.extend(_DRIVEN)
    elif "REST" not in accepted:
        words.extend(phrase for name, phrase in _QUANTITIES.items() if name in accepted)
    for terminal, phrase in _PHRASES.items():
        if terminal in accepted and phrase not in words and terminal not in _unsaid(words, before):
            words.append(phrase)
    if "$END" in accepted:
        words.append("the end of the line")
    return words


def _unsaid(words: Sequence[str], before: Sequence[Token]) -> Sequence[str]:
    """Terminals that need not be named beside the words already said."""
    if not words:
        return ()
    return ("_EVERY", "CHARGE", "DISCHARGE", "_AT") if before else ("_EVERY",)


def measured_after(before: Sequence[str]) -> Sequence[Dimension]:
    """What a value may measure, by the terminals in front of it that are not yet complete."""
    before = [one for one in before if one not in ("NUMBER", "UNIT")]
    last = before[-1] if before else ""
    if last == "_AT":
        return _SETPOINTS.get(before[-2] if len(before) > 1 else "", _ENDS)
    if "_RECORD" in before:
        return (Dimension.DURATION, Dimension.VOLTAGE, Dimension.CURRENT)
    if last in _MEASURED:
        return (_MEASURED[last],)
    named = next((_MEASURED[one] for one in reversed(before) if one in _MEASURED), None)
    if last in ("ABOVE", "BELOW", "_BY") and named is not None:
        return (named,)
    return _LIMITS if "_LIMIT" in before else _ENDS


def is_count_after(before: Sequence[str]) -> bool:
    """Whether a number of times stands behind these terminals."""
    before = [one for one in before if one != "NUMBER"]
    openers = ("_DRIVE", "_PULSE")
    is_driven = before[-1:] in (["CURRENT"], ["POWER"], ["C_RATE"]) and before[-2:-1] != []
    return before[-1:] in (["_REPEAT"], ["_MOST"], ["_DRIVE"], ["_PULSE"]) or (
        is_driven and before[-2] in openers
    )


_MEASURED = {
    "FOR": Dimension.DURATION,
    "LPAR": Dimension.DURATION,
    "VOLTAGE": Dimension.VOLTAGE,
    "CURRENT": Dimension.CURRENT,
    "CAPACITY": Dimension.CAPACITY,
    "POWER": Dimension.POWER,
    "ENERGY": Dimension.ENERGY,
    "TEMPERATURE": Dimension.TEMPERATURE,
    "SLOPE": Dimension.SLOPE,
    "FLOW": Dimension.FLOW,
    "DURATION": Dimension.DURATION,
    "TIME": Dimension.DURATION,
}


def _value_phrases(before: Sequence[str]) -> Iterable[str]:
    last = before[-1] if before else ""
    fixed = {
        "_SLASH": ("a number such as 20",),
        "_COMMA": ("a number",),
        "_EQUALS": ("a value such as C/2 or 4.2 V", "a number"),
        "UNIT": ("a further part such as 30 min",) if "FOR" in before else (),
    }
    if is_count_after(before):
        return ("a number of times such as 500",)
    if last == "_COMMA" and "_LIMIT" in before:
        return LIMITS
    if last in fixed:
        return fixed[last]
    if "_RECORD" in before and last != "_AT":
        return CHANGES
    examples = tuple(one.example for one in measured_after(before))
    return (*examples, SHARE) if "_REPEAT" in before else examples

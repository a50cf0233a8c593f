"""What may be typed next at a place in a text: for the editor, from what the grammar accepts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bem.domain.profile import words
from bem.domain.profile.amounts import dimension_of
from bem.domain.profile.line import read_line
from bem.domain.profile.model import Parameter, ParameterKind
from bem.domain.profile.printing import print_parameter
from bem.domain.profile.syntax import Place, place_after
from bem.domain.profile.text import without_comment
from bem.domain.profile.words import Opens
from bem.domain.units import Dimension, symbols

_LINE_END = re.compile(r"\r\n|\r|\n")
_LABELLED = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*:(?=\s)")
_GO_TO = re.compile(r"go\s*to\s+(?P<typed>\w*)$", re.IGNORECASE)
_GIVEN = re.compile(r"\{\s*(?P<typed>\w*)$")
_WORD = re.compile(r"\u00b0?[^\W\d_]+(?:[./-][^\W\d_]*)?$")

# Terminals with what is put in for them and what that is, the likeliest first.
_FIRST_WORDS = {
    "CHARGE": ("Charge at ", "current or power into the battery"),
    "DISCHARGE": ("Discharge at ", "current, power or resistance out of the battery"),
    "HOLD": ("Hold at ", "constant voltage"),
    "REST": ("Rest for ", "output off"),
    "_REPEAT": ("Repeat ", "loop over the lines below"),
    "PAUSE": ('Pause "', "wait for a person"),
    "_DRIVE": ("Drive ", "table of values over time"),
    "_PULSE": ("Pulse ", "train of pulses"),
}
_HEAD_WORDS = {
    "PARAMETER": ("Parameter ", "value filled in per experiment"),
    "_LIMIT": ("Limit ", "safety bound of the whole run"),
    "_RECORD": ("Record every ", "recording of all steps without their own"),
}
_WORDS = {
    "_AT": ("at ", "value"),
    "_TIMES": ("times", "number of passes"),
    "UNTIL": ("until ", "end at a value"),
    "FOR": ("for ", "duration"),
    "_OR": ("or ", "another one"),
    "_THEN": ("then ", "what follows this end"),
    "NEXT": ("next", "go on with the step below"),
    "STOP": ("stop", "the run ends, finished"),
    "FAIL": ("fail", "the run ends as failed"),
    "VOLTAGE": ("voltage ", "V"),
    "CURRENT": ("current ", "A"),
    "POWER": ("power ", "W"),
    "C_RATE": ("C-rate ", "multiples of the capacity per hour"),
    "CAPACITY": ("capacity ", "charge moved, Ah"),
    "ENERGY": ("energy ", "energy moved, Wh"),
    "TEMPERATURE": ("temperature ", "degC"),
    "SLOPE": ("dV/dt below ", "slope of the voltage"),
    "FALLS": ("falls by ", "below the highest of the step"),
    "_BY": ("by ", "below the highest of the step"),
    "CELL": ("cell voltage ", "any single cell, V"),
    "FLOW": ("flow ", "L/min"),
    "DURATION": ("duration ", "most time"),
    "ABOVE": ("above ", "side"),
    "BELOW": ("below ", "side"),
    "_RECORD": ("record every ", "when to keep a sample"),
    "_LIMIT": ("limit ", "safety bound of this step"),
    "_EVERY": ("every ", "when to keep a sample"),
    "_MOST": ("most ", "highest number of passes"),
    "FOREVER": ("forever:", "endless, until a person or a limit stops the run"),
    "_OF": ("of the first cycle", "share of what the first pass moved"),
    "_THE": ("the first cycle", "share of what the first pass moved"),
    "_FIRST": ("first cycle", "share of what the first pass moved"),
    "_CYCLE": ("cycle", "share of what the first pass moved"),
    "CHARGE": ("charge ", "moved, or while charging"),
    "DISCHARGE": ("discharge ", "while discharging"),
    "_COLON": (":", "the lines below belong to it"),
}
_AT_MOST = ("at most ", "highest number of passes")
_SHARE = ("% of the first cycle", "share of what the first pass moved")
_CHANGES = (("10 s", "time"), ("5 mV", "voltage change"), ("10 mA", "current change"))
_PULSES = ("CHARGE", "DISCHARGE", "REST")


@dataclass(frozen=True, slots=True)
class Completion:
    """One thing that may stand at a place: ``text`` goes in place of what is typed from ``start``.

    ``start`` is a column from 1. ``label`` is shown in a list, ``detail`` says what it is.
    """

    text: str
    label: str
    detail: str
    start: int


def complete(text: str, line: int, column: int) -> list[Completion]:
    """What may be typed in front of a column of a line, both from 1, the likeliest first.

    Only what begins with what is already typed of it. A place outside the text, in a comment, in
    a message or in a table has nothing.
    """
    lines = _LINE_END.split(text)
    if not (1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1):
        return []
    typed = lines[line - 1][: column - 1]
    above = lines[: line - 1]
    block = _block(above, typed)
    if len(without_comment(typed)) < len(typed) or typed.count('"') % 2 or block is Opens.TABLE:
        return []
    to = _GO_TO.search(typed)
    if to is not None:
        return _fitting(((one, "label") for one in _labels(lines)), to["typed"], column)
    word = _GIVEN.search(typed) or _WORD.search(typed)
    begun = word[0] if word is not None else ""
    place = place_after(_without_label(typed[: len(typed) - len(begun)]))
    if place is None:
        return []
    if not place.before and "REST" in place.accepted:
        return _fitting(_first_words(place, above, block), begun, column)
    choices = list(_continuations(place, _known_parameters(lines), _labels(lines)))
    return _fitting(choices, begun.replace(" ", ""), column)


def _fitting(choices: Iterable[tuple[str, str]], begun: str, column: int) -> list[Completion]:
    start = column - len(begun)
    return [
        Completion(text, text.strip(), detail, start)
        for text, detail in choices
        if text.lower().startswith(begun.lower())
    ]


# -- the text around the place


def _block(above: Sequence[str], typed: str) -> Opens | None:
    """What the head of the block opens to which a line belongs."""
    indent = len(typed.expandtabs(4)) - len(typed.expandtabs(4).lstrip())
    for line in reversed(above):
        code = _without_label(without_comment(line)).expandtabs(4).rstrip()
        if code and _indent(line) < indent:
            return words.opened_by(code.strip())
    return None


def _indent(line: str) -> int:
    spread = line.expandtabs(4)
    return len(spread) - len(spread.lstrip())


def _without_label(code: str) -> str:
    found = _LABELLED.match(code)
    if found is None or words.trouble_with_name(found["name"].lower()) is not None:
        return code
    return code[found.end() :]


def _labels(lines: Sequence[str]) -> list[str]:
    found = (_LABELLED.match(line) for line in lines)
    names = [one["name"].lower() for one in found if one is not None]
    return [name for name in dict.fromkeys(names) if words.trouble_with_name(name) is None]


def _known_parameters(lines: Sequence[str]) -> list[Parameter]:
    found = (
        read_line(without_comment(line), number).content
        for number, line in enumerate(lines, start=1)
        if line.lstrip()[:9].lower() == "parameter"
    )
    return [one for one in found if isinstance(one, Parameter)]


def _is_head(above: Sequence[str]) -> bool:
    """Whether no step stands above."""
    code = [without_comment(line).strip().lower() for line in above]
    heads = ("profile", "parameter", "limit", "record")
    return all(one.startswith(heads) for one in code if one)


# -- what fits


def _first_words(
    place: Place, above: Sequence[str], block: Opens | None
) -> Iterator[tuple[str, str]]:
    if block is Opens.PULSES:
        yield from (_FIRST_WORDS[one] for one in _PULSES)
        return
    if block is None and _is_head(above):
        if not "".join(above).strip():
            yield "Profile: ", "name of the profile"
        yield from (pair for one, pair in _HEAD_WORDS.items() if one in place.accepted)
    yield from (pair for one, pair in _FIRST_WORDS.items() if one in place.accepted)


def _continuations(
    place: Place, parameters: Iterable[Parameter], labels: Iterable[str]
) -> Iterator[tuple[str, str]]:
    behind_number = place.before[-1:] == ("NUMBER",)
    if behind_number and "UNIT" in place.accepted and not place.is_count:
        yield from _units(place)
        return
    names = list(_further_words(place, labels))
    values = [*_values(place), *_parameters(place, parameters)]
    is_named_first = "_LIMIT" in place.before
    yield from (*names, *values) if is_named_first else (*values, *names)


def _values(place: Place) -> Iterator[tuple[str, str]]:
    """Values such as may stand there."""
    if "NUMBER" not in place.accepted or place.before[-1:] == ("UNIT",):
        return
    if place.is_count:
        yield "500 times", "number of passes"
    elif "_RECORD" in place.before:
        yield from _CHANGES
    else:
        for dimension in place.measured:
            what, _, examples = dimension.example.partition(" such as ")
            for one in examples.split(" or ") if place.takes_rates else [examples.split(" or ")[0]]:
                yield one, what.partition(" ")[2]


def _parameters(place: Place, known: Iterable[Parameter]) -> Iterator[tuple[str, str]]:
    if "GIVEN" not in place.accepted:
        return
    for one in known:
        if one.kind is ParameterKind.NUMBER:
            fits = place.is_count
        else:
            is_taken = place.takes_rates or one.kind is not ParameterKind.C_RATE
            fits = is_taken and not place.is_count and dimension_of(one.kind) in place.measured
        if fits:
            yield f"{{{one.name}}}", f"parameter, {print_parameter(one)}"


def _units(place: Place) -> Iterator[tuple[str, str]]:
    """Units behind a number."""
    for dimension in place.measured:
        yield from ((symbol, dimension.value) for symbol in symbols(dimension))
        if dimension is Dimension.CURRENT and place.takes_rates:
            yield "C", "C-rate"
    if "_PERCENT" in place.accepted:
        yield _SHARE


def _further_words(place: Place, labels: Iterable[str]) -> Iterator[tuple[str, str]]:
    if "GO_TO" in place.accepted:
        yield from ((f"go to {one}", "go on at a label") for one in labels)
    if place.before[-1:] == ("_REPEAT",):
        yield _AT_MOST
    for terminal, pair in _WORDS.items():
        if terminal in place.accepted and not _is_unlikely(place, terminal):
            yield pair


def _is_unlikely(place: Place, terminal: str) -> bool:
    """Whether nobody means the terminal here, although the grammar accepts it."""
    if terminal in ("ABOVE", "BELOW"):
        return place.before[-1:] in (("UNTIL",), ("FOR",), ("_OR",), ("_LIMIT",))
    if terminal == "_AT":
        return place.before[-1:] == ("_REPEAT",)
    return terminal == "_EVERY" and "NUMBER" in place.accepted

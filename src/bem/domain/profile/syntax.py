"""The grammar of one line at work: text to a tree, mending what is clear to find further errors."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from bem.domain.profile import words
from bem.domain.profile.context import Line, either
from bem.domain.profile.problems import Span
from bem.domain.units import Dimension, in_celsius

_AMBIENT = re.compile(r"at\s+[-+\u2212]?[\d.]+\s*(oC|\u00b0C|\u2103|degC|C|K)(?!\w)", re.IGNORECASE)
"""The temperature around the battery in the strings of PyBaMM: ``at 25oC``."""
_UNCLOSED = {
    '"': ("quote", '"', "a message stands between double quotes"),
    "{": ("brace", "}", "a parameter is written like {rate}"),
}
_GROUP = 3
"""Digits of a group of thousands."""


def parse_line(line: Line) -> Tree[Token] | None:
    """Parse a line; ``None`` if it cannot be mended. Whatever is wrong is reported to it."""
    try:
        return _parse(line.code)
    except UnexpectedInput:
        return _Mender(line).parse()


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = files(__package__).joinpath("line.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        start="line",
        parser="lalr",
        lexer="basic",
        postlex=words.Words(),
        maybe_placeholders=False,
    )


@lru_cache(maxsize=4096)
def _parse(code: str) -> Tree[Token]:
    """Parse a line without mending. Kept, because an editor checks the same lines over and over."""
    return _parser().parse(code)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a line: the terminals accepted there, and those in front not yet complete."""

    accepted: frozenset[str]
    before: tuple[str, ...]

    @property
    def is_count(self) -> bool:
        """Whether a number of times stands there."""
        return words.is_count_after(self.before)

    @property
    def measured(self) -> tuple[Dimension, ...]:
        """What a value there may measure."""
        return tuple(words.measured_after(self.before))

    @property
    def takes_rates(self) -> bool:
        """Whether a current there may be a C-rate."""
        return not {"_LIMIT", "_RECORD"} & {*self.before}


def place_after(code: str) -> Place | None:
    """The place behind the beginning of a line; ``None`` if that is wrong already."""
    parser = _parser().parse_interactive(code)
    try:
        parser.exhaust_lexer()
    except UnexpectedInput:
        return None
    accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]  # lark has no type for it
    before = _pending(parser.parser_state.value_stack)
    return Place(frozenset(accepted), tuple(one.type for one in before))


class _Mender:
    """Parses a line with errors: reports each token that does not fit and guesses what it means."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def parse(self) -> Tree[Token] | None:
        try:
            return _parser().parse(self._line.code, on_error=self._mend)
        except UnexpectedInput:
            return None  # reported by _mend

    def _mend(self, error: UnexpectedInput) -> bool:
        """Say what is wrong; true if the parser can go on behind the token."""
        if not isinstance(error, UnexpectedToken):
            return False  # the grammar takes any character, so there is no other error
        token, accepted = error.token, error.accepts or set()
        guess = words.meant(token.value, accepted) if token.type == "WORD" else None
        if guess is not None:
            return self._replace(error, *guess)
        if self._is_foreign(token):
            return False
        if words.could_be_unit(token) and "UNIT" in accepted and _follows_number(error):
            return self._skip_unit(error)
        missing = words.left_out(accepted, token.type, _tokens(error))
        spelling = None if missing is None else words.keyword(missing)
        if missing is not None and spelling is not None:
            return self._insert(error, missing, spelling)
        self._report_unexpected(error)
        return False

    def _replace(self, error: UnexpectedToken, terminal: str, spelling: str) -> bool:
        token = error.token
        before = _tokens(error)
        shown = spelling if before else spelling.capitalize()
        is_unit = terminal == "UNIT"
        what = "a unit" if is_unit else "a word of the profile language here"
        expected = {"UNIT"} if is_unit else error.accepts or set()
        self._line.report(
            self._line.span(token),
            f"'{token.value}' is not {what}; did you mean '{shown}'?",
            expected=words.phrases(expected, before),
            suggestion=shown,
        )
        error.interactive_parser.feed_token(Token.new_borrow_pos(terminal, spelling, token))
        return True

    def _is_foreign(self, token: Token) -> bool:
        """Whether the token opens what other languages have and this one says otherwise."""
        code = self._line.code
        rest = code[(token.column or 1) - 1 :]
        if token.type == "_AT" and _AMBIENT.match(rest):
            message = (
                "a profile does not set the temperature around the battery: take this out and set "
                "the chamber; to stop when it gets too warm write 'limit temperature 45 degC'"
            )
            self._line.report(self._part(token, _AMBIENT, rest), message)
            return True
        if token.value.lower() == "run" and not code[: (token.column or 1) - 1].strip():
            message = (
                "a drive cycle stands in the profile itself: write 'Drive current:' and, indented "
                "below it, a line with a time in s and a value in A for each change (or 'Drive "
                "power:', 'Drive C-rate:'); a CSV file can be imported"
            )
            self._line.report(self._line.span(token), message, expected=("'Drive current:'",))
            return True
        return False

    def _part(self, token: Token, pattern: re.Pattern[str], rest: str) -> Span:
        start = self._line.span(token)
        found = pattern.match(rest)
        width = len(found[0]) if found is not None else len(token.value)
        return start.model_copy(update={"end_column": start.column + width})

    def _skip_unit(self, error: UnexpectedToken) -> bool:
        token = error.token
        number = _tokens(error)[-1].value
        celsius = in_celsius(number.replace("\N{MINUS SIGN}", "-"), token.value)
        if celsius is None:
            self._line.report(
                self._line.span(token),
                f"'{token.value}' is not a unit; expected one such as V, A, W, Ah, s, min or h",
                expected=words.phrases({"UNIT"}, ()),
            )
        else:
            self._line.report(
                self._line.span(_tokens(error)[-1], token),
                f"temperatures are in degC: write '{celsius}' for {number} {token.value}",
                expected=(Dimension.TEMPERATURE.example,),
                suggestion=celsius,
            )
        unit = Token.new_borrow_pos("UNIT", words.UNKNOWN_UNIT, token)
        error.interactive_parser.feed_token(unit)
        return True

    def _insert(self, error: UnexpectedToken, terminal: str, spelling: str) -> bool:
        """Put in the one word that can stand there, if the token then fits behind it."""
        token, parser = error.token, error.interactive_parser
        self._line.report(
            self._line.span(token),
            f"expected '{spelling}' before '{token.value}'",
            expected=[f"'{spelling}'"],
            suggestion=f"{spelling} {token.value}",
        )
        parser.feed_token(Token.new_borrow_pos(terminal, spelling, token))
        try:
            parser.feed_token(token)
        except UnexpectedToken:
            return False
        return True

    def _report_unexpected(self, error: UnexpectedToken) -> None:
        token = error.token
        if token.type == "GROUPED":
            self._report_comma(token)
            return
        if token.value in _UNCLOSED:
            self._report_unclosed(token)
            return
        before = _tokens(error)
        expected = words.phrases(error.accepts or set(), before)
        found = "the line ends" if token.type == "$END" else f"found '{token.value}'"
        if before and before[-1].type == "_COLON":
            found += "; the steps of a loop stand on lines of their own, indented below it"
        self._line.report(
            self._line.span(token),
            f"expected {either(expected)}; {found}",
            expected=expected,
        )

    def _report_unclosed(self, token: Token) -> None:
        what, closing, expected = _UNCLOSED[token.value]
        start = self._line.span(token)
        rest = self._line.code[start.column - 1 :]
        if closing == "}":
            rest = rest.partition(" ")[0]
        self._line.report(
            start.model_copy(update={"end_column": start.column + len(rest)}),
            f"this {what} is never closed: {expected}",
            expected=[expected],
            suggestion=f"{rest}{closing}",
        )

    def _report_comma(self, token: Token) -> None:
        whole, *groups = token.value.partition(".")[0].split(",")
        plain = token.value.replace(",", "")
        decimal = f"{whole}.{groups[0]}" if token.value == f"{whole},{groups[0]}" else None
        thousands = plain if all(len(group) == _GROUP for group in groups) else None
        readings = [one for one in (decimal, thousands) if one is not None]
        advice = f"write {' or '.join(readings)}, " if readings else "write it "
        self._line.report(
            self._line.span(token),
            f"'{token.value}' has a comma: {advice}with a point for decimals and nothing between "
            "thousands",
            expected=["a number such as 4.2"],
            suggestion=readings[0] if len(readings) == 1 else None,
        )


def _tokens(error: UnexpectedToken) -> list[Token]:
    """The tokens in front of the error that are not yet part of something complete."""
    return _pending(error.interactive_parser.parser_state.value_stack)


def _pending(stack: Iterable[object]) -> list[Token]:
    """The tokens on the parser's stack, also those that only chose among names of a quantity."""
    found: list[Token] = []
    for one in stack:
        if isinstance(one, Token):
            found.append(one)
        elif isinstance(one, Tree) and one.data in ("_limited", "_driven"):
            found.extend(part for part in one.children if isinstance(part, Token))
    return found


def _follows_number(error: UnexpectedToken) -> bool:
    tokens = _tokens(error)
    return bool(tokens) and tokens[-1].type == "NUMBER"

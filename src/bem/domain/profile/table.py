"""Tables over time: rows of a time and a value, in a text or from a CSV file."""

import math
import re
from dataclasses import dataclass

from bem.domain.profile.model import MAX_POINTS, Driven, Table
from bem.domain.profile.problems import Problem, ProfileErrors, Span
from bem.domain.units import Dimension, Unit, find_unit, format_number, si_unit, to_si

_NUMBER = r"[-+\u2212]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_UNIT = r"[^\W\d_]+"
_ROW = re.compile(
    rf"\s*(?P<time>{_NUMBER})\s*(?P<time_unit>{_UNIT})?(?:\s*[,;]\s*|\s+)"
    rf"(?P<value>{_NUMBER})\s*(?P<value_unit>{_UNIT})?\s*",
    re.ASCII,
)
_DIGITS = re.compile(_NUMBER, re.ASCII)
_DECIMAL_COMMA = re.compile(r"[-+\u2212]?\d*,\d+(?:[eE][-+]?\d+)?", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")

_DIMENSIONS = {Driven.CURRENT: Dimension.CURRENT, Driven.POWER: Dimension.POWER}
_SECOND = si_unit(Dimension.DURATION)


def unit_of(drives: Driven) -> str:
    """The unit of the values of a table: ``A``, ``W`` or ``C``."""
    dimension = _DIMENSIONS.get(drives)
    return "C" if dimension is None else si_unit(dimension).symbol


def _what(drives: Driven) -> str:
    name = "C-rate" if drives is Driven.C_RATE else str(drives)
    return name if drives is Driven.C_RATE else f"{name} in {unit_of(drives)}"


class Rows:
    """The rows of one table as they come; what is wrong with one leaves it out and is noted."""

    def __init__(self, drives: Driven) -> None:
        self.drives = drives
        self.points: list[tuple[float, float]] = []
        self.problems: list[Problem] = []

    def read(self, code: str, number: int) -> None:
        """Add a row of a text, given without its comment: ``10 -1.5`` or ``1 min -1.5 A``."""
        start = len(code) - len(code.lstrip())
        place = Span(
            line=number, column=start + 1, end_column=max(len(code.rstrip()), start + 1) + 1
        )
        found = _ROW.fullmatch(code)
        if found is None:
            self.report(
                place,
                f"expected a row of the table: a time in s and a {_what(self.drives)}, "
                f"such as '10 -1.5'; found '{code.strip()}'",
            )
            return
        time = self._convert(place, found["time"], found["time_unit"], Dimension.DURATION)
        dimension = _DIMENSIONS.get(self.drives)
        value = self._convert(place, found["value"], found["value_unit"], dimension)
        if time is not None and value is not None:
            self.add(place, time, value)

    def add(self, place: Span, time: float, value: float) -> None:
        """Add a row of a time (s) and a value."""
        if not self.points and time != 0:
            shown = format_number(time)
            self.report(
                place,
                f"the first time of a table is 0, not {shown}: take {shown} s off every time",
            )
        elif self.points and time <= self.points[-1][0]:
            before = format_number(self.points[-1][0])
            self.report(
                place,
                f"the times of a table ascend; {format_number(time)} s follows {before} s",
            )
            return
        if len(self.points) == MAX_POINTS:
            self.report(place, f"a table has at most {MAX_POINTS:,} rows; this is one more")
        if len(self.points) <= MAX_POINTS:
            self.points.append((time, value))

    def report(self, place: Span, message: str) -> None:
        """Note a problem."""
        expected = (f"a time in s and a {_what(self.drives)}",)
        self.problems.append(Problem.at(place, message, expected=expected))

    def check_length(self, head: Span) -> None:
        """Report a table too short to tell how long its last value holds."""
        if not self.problems and len(self.points) < 2:  # noqa: PLR2004 - two make an interval
            self.report(
                head,
                "a table has at least two rows: the last value holds as long as the one before",
            )

    def _convert(
        self, place: Span, digits: str, word: str | None, dimension: Dimension | None
    ) -> float | None:
        unit = _unit(word, dimension)
        if unit is None:
            wanted = "C" if dimension is None else si_unit(dimension).symbol
            self.report(place, f"'{word}' is no unit of this column: write {wanted}")
            return None
        try:
            return to_si(digits.replace("\N{MINUS SIGN}", "-"), unit)
        except ValueError:
            self.report(place, f"{digits} is too large")
            return None


_RATE = Unit("C", Dimension.CURRENT, _SECOND.factor)


def _unit(word: str | None, dimension: Dimension | None) -> Unit | None:
    """The unit of a column of this dimension (``None``: of C-rates), or ``None`` if it is none."""
    if dimension is None:
        return _RATE if word is None or word.lower() == "c" else None
    if word is None:
        return si_unit(dimension)
    found = find_unit(word)
    return found if found is not None and found.dimension is dimension else None


# -- CSV


def read_table_csv(text: str, drives: Driven) -> Table:
    """Read a drive cycle: a column of times and one of currents, powers or C-rates (+ charges).

    A header is optional; with one, the columns are found by their names (``Time / s``,
    ``current [mA]``), else there are two. Fields are separated by comma, semicolon, tab or blanks;
    lines that begin with ``#`` are comments.

    Raises:
        ProfileErrors: with every row that is wrong, by its line in the file.
    """
    reader = _Csv(drives)
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            reader.feed(number, line)
    rows = reader.rows
    rows.check_length(Span(line=1, column=1, end_column=2))
    if rows.problems:
        raise ProfileErrors(rows.problems)
    return Table(drives=drives, points=tuple(rows.points))


@dataclass(frozen=True, slots=True)
class _Field:
    text: str
    place: Span


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    unit: Unit


_NAMES = {
    Driven.CURRENT: {"current", "i"},
    Driven.POWER: {"power", "p"},
    Driven.C_RATE: {"rate", "crate"},
}
_TIMES = {"time", "t", "elapsed", "seconds"}


class _Csv:
    def __init__(self, drives: Driven) -> None:
        self.rows = Rows(drives)
        self._columns: tuple[_Column, _Column] | None = None
        self._delimiter: str | None = None
        self._is_unreadable = False

    def feed(self, number: int, line: str) -> None:
        """Read the next line that is neither blank nor a comment."""
        if self._is_unreadable:
            return
        if self._columns is None:
            self._delimiter = next((one for one in ";\t," if one in line), None)
            fields = self._split(number, line)
            is_header = any(self._digits(one.text) is None for one in fields)
            self._columns = self._by_name(fields) if is_header else self._by_place(fields)
            self._is_unreadable = self._columns is None
            if is_header or self._columns is None:
                return
        self._row(self._split(number, line), *self._columns)

    def _split(self, number: int, line: str) -> list[_Field]:
        pattern = re.compile(r"\S+" if self._delimiter is None else rf"[^{self._delimiter}]*")
        spans = [one.span() for one in pattern.finditer(line)]
        if self._delimiter is not None:
            ends = [at for at, one in enumerate(line) if one == self._delimiter] + [len(line)]
            spans = list(zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True))
        return [
            _Field(
                line[start:end].strip().strip('"').strip(),
                Span(line=number, column=start + 1, end_column=max(end, start + 1) + 1),
            )
            for start, end in spans
        ]

    def _digits(self, text: str) -> str | None:
        """The digits of a field with a point for decimals, or ``None`` if it is no number."""
        if self._delimiter != "," and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        return text.replace("\N{MINUS SIGN}", "-") if _DIGITS.fullmatch(text) else None

    def _by_place(self, fields: list[_Field]) -> tuple[_Column, _Column] | None:
        if len(fields) == 2:  # noqa: PLR2004 - a time and a value
            dimension = _DIMENSIONS.get(self.rows.drives)
            unit = _RATE if dimension is None else si_unit(dimension)
            return _Column(0, _SECOND), _Column(1, unit)
        self.rows.report(
            fields[0].place,
            f"there is no header, and {len(fields)} columns: give the columns names, such as "
            f"'time / s' and '{self._example()}', or leave only those two",
        )
        return None

    def _by_name(self, fields: list[_Field]) -> tuple[_Column, _Column] | None:
        time = self._find(fields, _TIMES, Dimension.DURATION, "time / s")
        value = self._find(
            fields,
            _NAMES[self.rows.drives],
            _DIMENSIONS.get(self.rows.drives),
            self._example(),
        )
        return None if time is None or value is None else (time, value)

    def _example(self) -> str:
        if self.rows.drives is Driven.C_RATE:
            return "C-rate"
        return f"{self.rows.drives} / {unit_of(self.rows.drives)}"

    def _find(
        self, fields: list[_Field], names: set[str], dimension: Dimension | None, example: str
    ) -> _Column | None:
        for index, one in enumerate(fields):
            words = [word for word in re.split(r"[\W_]+", one.text) if word]
            named = [word for word in words if word.lower() in names]
            if not named:
                continue
            others = words[words.index(named[0]) + 1 :]
            unit = _unit(others[-1] if others else None, dimension)
            if unit is not None:
                return _Column(index, unit)
            self.rows.report(
                one.place,
                f"the unit of the column '{one.text}' is not known: name it as '{example}'",
            )
            return None
        found = ", ".join(f"'{one.text}'" for one in fields)
        self.rows.report(
            fields[0].place, f"there is no column such as '{example}'; the file has {found}"
        )
        return None

    def _row(self, fields: list[_Field], time: _Column, value: _Column) -> None:
        most = max(time.index, value.index)
        if len(fields) <= most:
            self.rows.report(
                fields[0].place,
                f"row {fields[0].place.line} has {len(fields)} of at least {most + 1} columns",
            )
            return
        first = self._value(fields[time.index], time.unit, "a time")
        second = self._value(fields[value.index], value.unit, f"a {_what(self.rows.drives)}")
        if first is not None and second is not None:
            self.rows.add(fields[time.index].place, first, second)

    def _value(self, field: _Field, unit: Unit, what: str) -> float | None:
        digits = self._digits(field.text)
        value = math.nan
        if digits is not None:
            try:
                value = to_si(digits, unit)
            except ValueError:
                value = math.inf
        if math.isfinite(value):
            return value
        found = f"'{field.text}'" if field.text else "nothing"
        self.rows.report(field.place, f"row {field.place.line}: expected {what}; found {found}")
        return None

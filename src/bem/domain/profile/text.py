"""Profiles as people write them: text to the model.

A line is a step, the head of a block (``Repeat``, ``Drive``, ``Pulse``), or says something of the
whole profile (its name, parameters, limits, recording). The lines indented below a head are its
block. ``#`` begins a comment. ``line.lark`` holds the grammar of one line.
"""

import difflib
import re

from bem.domain.profile.blocks import Block, close, is_loop, without_lines
from bem.domain.profile.heads import Head
from bem.domain.profile.line import Limits, Reading, read_line
from bem.domain.profile.model import (
    MAX_DEPTH,
    MAX_NAME,
    Limit,
    Parameter,
    Profile,
    Record,
)
from bem.domain.profile.problems import Problem, ProfileErrors, Span, in_order

_NAME = re.compile(r"\s*profile\s*:(?P<name>.*)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_BYTE_ORDER_MARK = "\ufeff"
_TAB_WIDTH = 4
_CODE = re.compile(r'(?:[^"#]|"[^"]*")*')
"""What stands in front of a comment: a ``#`` between quotes begins none."""


def parse_profile(text: str) -> Profile:
    """Parse a whole text; every node knows its place in it.

    Raises:
        ProfileErrors: with all that is wrong with the words of the text. Whether the profile can
            run is the compiler's business.
    """
    profile, problems = read_profile(text)
    if problems:
        raise ProfileErrors(problems)
    return profile


def read_profile(text: str) -> tuple[Profile, list[Problem]]:
    """Read as much of a text as can be understood, and say what is wrong with the rest.

    Returns:
        The profile without the lines that could not be read, and the problems by position.
    """
    reader = _TextReader()
    lines = _LINE_END.split(text.removeprefix(_BYTE_ORDER_MARK))
    for number, line in enumerate(lines, start=1):
        reader.feed(number, line)
    return reader.finish(), in_order(reader.problems)


def without_comment(line: str) -> str:
    """What stands in front of the comment; a ``#`` in a message begins none."""
    found = _CODE.match(line)
    end = found.end() if found is not None else 0
    return line[:end] + line[end:].partition("#")[0]


def _span(number: int, code: str) -> Span:
    """A line without its indentation."""
    start = len(code) - len(code.lstrip())
    return Span(line=number, column=start + 1, end_column=len(code) + 1)


class _TextReader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._name: str | None = None
        self._parameters: dict[str, Parameter | None] = {}
        self._limits: list[Limit] = []
        self._record: Record | None = None
        self._labels: dict[str, Span] = {}
        self._targets: list[tuple[str, Span]] = []
        self._blocks: list[Block] = []
        self._open_head: Head | None = None
        self._indented_with: tuple[str, int] | None = None
        self._seen_line = False
        self._seen_step = False

    def feed(self, number: int, line: str) -> None:
        """Read the next line."""
        named = _NAME.fullmatch(line)
        if named is not None:
            self._read_name(number, line, named)
            self._seen_line = True
            return
        code = without_comment(line).rstrip()
        if not code:
            return
        self._seen_line = True
        lead = code[: len(code) - len(code.lstrip())]
        place = Span(line=number, column=1, end_column=max(len(lead), 1) + 1)
        self._enter(place, self._indentation(number, lead))
        rows = self._blocks[-1].rows
        if rows is not None:
            rows.read(code, number)
        else:
            self._take(read_line(code, number, self._parameters), number, code)

    def finish(self) -> Profile:
        """Close what is open."""
        self._drop_open_head()
        while len(self._blocks) > 1:
            self._close()
        self._check_targets()
        body = self._blocks[0].items if self._blocks else []
        start = Span(line=1, column=1, end_column=1)
        return Profile(
            name=self._name,
            parameters=tuple(one for one in self._parameters.values() if one is not None),
            limits=tuple(self._limits),
            record=self._record,
            body=tuple(body),
            source=start,
        )

    def _take(self, reading: Reading, number: int, code: str) -> None:
        """Put what a line says where it belongs."""
        self.problems.extend(reading.problems)
        self._targets.extend(reading.targets)
        content = reading.content
        if reading.label is not None:
            self._name_place(reading.label, _span(number, code))
        if reading.parameter is not None:
            self._take_parameter(reading.parameter, content, _span(number, code))
        elif isinstance(content, Limits | Record):
            self._take_rule(content, _span(number, code))
        else:
            self._seen_step = True
            if isinstance(content, Head):
                self._open_head = content
            elif content is not None and not isinstance(content, Parameter):
                self._blocks[-1].items.append(content)

    # -- lines at the head of the profile

    def _take_parameter(self, name: str, content: object, place: Span) -> None:
        if self._is_late(place, f"the parameter '{name}'"):
            return
        if name in self._parameters:
            message = f"there is already a parameter '{name}': keep one of them"
            self.problems.append(Problem.at(place, message))
            return
        self._parameters[name] = content if isinstance(content, Parameter) else None

    def _take_rule(self, content: Limits | Record, place: Span) -> None:
        is_limits = isinstance(content, Limits)
        what = "a limit" if is_limits else "a rule of recording"
        if self._is_late(place, f"{what} of the whole profile"):
            return
        if isinstance(content, Limits):
            self._limits.extend(content.limits)
        elif self._record is not None:
            message = "the profile already has a rule of recording: keep one of them"
            self.problems.append(Problem.at(place, message))
        else:
            self._record = content

    def _is_late(self, place: Span, what: str) -> bool:
        if not self._seen_step:
            return False
        message = (
            f"{what} stands above the first step; what holds for one step stands at the end of "
            "its line"
        )
        self.problems.append(Problem.at(place, message))
        return True

    # -- labels

    def _name_place(self, label: str, place: Span) -> None:
        other = self._labels.get(label)
        if other is None:
            self._labels[label] = place
            return
        span = place.model_copy(update={"end_column": place.column + len(label)})
        message = f"line {other.line} already has the label '{label}': choose another"
        self.problems.append(Problem.at(span, message))

    def _check_targets(self) -> None:
        for label, place in self._targets:
            if label in self._labels:
                continue
            known = ", ".join(self._labels)
            close = difflib.get_close_matches(label, self._labels, n=1)
            self.problems.append(
                Problem.at(
                    place,
                    f"no step or loop has the label '{label}'; "
                    + (f"there are {known}" if known else f"write '{label}:' in front of one"),
                    expected=tuple(self._labels),
                    suggestion=close[0] if close else None,
                )
            )

    def _read_name(self, number: int, line: str, named: re.Match[str]) -> None:
        name = named["name"].strip()
        column = len(line) - len(line.lstrip()) + 1
        span = Span(line=number, column=column, end_column=len(line.rstrip()) + 1)
        if self._seen_line:
            message = "the name of the profile stands once, on the first line"
        elif not name:
            message = "expected a name after 'Profile:', such as 'Profile: Cycle life at 1C'"
        elif len(name) > MAX_NAME:
            message = f"a name has at most {MAX_NAME} characters; this one has {len(name)}"
        elif not name.isprintable():
            message = "the name holds characters that cannot be printed; type it again"
        else:
            self._name = name
            return
        self.problems.append(Problem.at(span, message, expected=("a name",)))

    # -- indentation

    def _indentation(self, number: int, lead: str) -> int:
        if not lead:
            return 0
        kinds = set(lead)
        kind = "tabs" if kinds == {"\t"} else "spaces" if kinds == {" "} else "both"
        if self._indented_with is None and kind != "both":
            self._indented_with = (kind, number)
        if self._indented_with is None or kind != self._indented_with[0]:
            self._report_indentation(number, len(lead), kind)
        if kind == "tabs" and self._indented_with is not None and self._indented_with[0] == kind:
            return len(lead)
        return len(lead.expandtabs(_TAB_WIDTH))

    def _report_indentation(self, number: int, width: int, kind: str) -> None:
        if self._indented_with is None or kind == "both":
            message = "this line is indented with a mixture of spaces and other blanks; use spaces"
        else:
            first, line = self._indented_with
            message = (
                f"this line is indented with {kind}, line {line} with {first}; "
                "use the same everywhere, best spaces"
            )
        span = Span(line=number, column=1, end_column=width + 1)
        self.problems.append(Problem.at(span, message, expected=("spaces",)))

    def _enter(self, place: Span, indent: int) -> None:
        """Make the block that a line of this indentation belongs to the innermost one."""
        if not self._blocks:
            self._blocks.append(Block(indent))
            return
        head, self._open_head = self._open_head, None
        if head is not None and indent > self._blocks[-1].indent:
            self._open(indent, head)
            return
        if head is not None:
            self.problems.extend(without_lines(head))
        self._leave(place, indent)

    def _leave(self, place: Span, indent: int) -> None:
        while len(self._blocks) > 1 and indent < self._blocks[-1].indent:
            if indent in self._blocks[-1].tolerated:
                return
            self._close()
        block = self._blocks[-1]
        if indent == block.indent or indent in block.tolerated:
            return
        block.tolerated.add(indent)
        fitting = sorted({one.indent for one in self._blocks})
        choices = " or ".join(str(one) for one in fitting)
        self.problems.append(
            Problem.at(
                place,
                f"this line is indented by {indent}, which fits no line above it: expected "
                f"{choices}. Only the lines below a 'Repeat', 'Drive' or 'Pulse' are indented "
                "further than it",
                expected=tuple(f"an indentation of {one}" for one in fitting),
            )
        )

    # -- blocks

    def _open(self, indent: int, head: Head) -> None:
        block = Block(indent, head)
        if is_loop(block) and self._depth == MAX_DEPTH:
            self.problems.append(
                Problem.at(head.source, f"loops nest at most {MAX_DEPTH} deep; this one is deeper")
            )
        self._blocks.append(block)

    @property
    def _depth(self) -> int:
        return sum(is_loop(block) for block in self._blocks)

    def _close(self) -> None:
        block = self._blocks.pop()
        item, problems = close(block)
        self.problems.extend(problems)
        is_too_deep = is_loop(block) and self._depth >= MAX_DEPTH
        if item is not None and not is_too_deep:
            self._blocks[-1].items.append(item)

    def _drop_open_head(self) -> None:
        if self._open_head is not None:
            self.problems.extend(without_lines(self._open_head))
            self._open_head = None

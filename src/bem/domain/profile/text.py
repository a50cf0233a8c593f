"""Profiles as people write them: text to the model.

A line is a step or the head of a loop; the lines indented below a head are its body. ``#`` begins
a comment. The first line may name the profile: ``Profile: Cycle life of 18650``. ``line.lark``
holds the grammar of one line.
"""

import re
from dataclasses import dataclass, field

from bem.domain.profile.line import LoopHead, read_line
from bem.domain.profile.model import (
    MAX_DEPTH,
    MAX_NAME,
    Item,
    Profile,
    Repeat,
)
from bem.domain.profile.problems import Problem, ProfileErrors, Span, in_order

_NAME = re.compile(r"\s*profile\s*:(?P<name>.*)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_BYTE_ORDER_MARK = "\ufeff"
_TAB_WIDTH = 4


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


@dataclass
class _Block:
    """Lines of one indentation. ``tolerated``: wrong indentations that were reported once."""

    indent: int
    head: LoopHead | None = None
    items: list[Item] = field(default_factory=list)
    tolerated: set[int] = field(default_factory=set)


class _TextReader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._name: str | None = None
        self._blocks: list[_Block] = []
        self._open_head: LoopHead | None = None
        self._indented_with: tuple[str, int] | None = None
        self._seen_line = False

    def feed(self, number: int, line: str) -> None:
        """Read the next line."""
        named = _NAME.fullmatch(line)
        if named is not None:
            self._read_name(number, line, named)
            self._seen_line = True
            return
        code = line.partition("#")[0].rstrip()
        if not code:
            return
        self._seen_line = True
        lead = code[: len(code) - len(code.lstrip())]
        place = Span(line=number, column=1, end_column=max(len(lead), 1) + 1)
        self._enter(place, self._indentation(number, lead))
        item, problems = read_line(code, number)
        self.problems.extend(problems)
        if isinstance(item, LoopHead):
            self._open_head = item
        elif item is not None and not problems:
            self._blocks[-1].items.append(item)

    def finish(self) -> Profile:
        """Close what is open."""
        self._drop_open_head()
        while len(self._blocks) > 1:
            self._close()
        body = self._blocks[0].items if self._blocks else []
        start = Span(line=1, column=1, end_column=1)
        return Profile(name=self._name, body=tuple(body), source=start)

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
            self._blocks.append(_Block(indent))
            return
        head, self._open_head = self._open_head, None
        if head is not None and indent > self._blocks[-1].indent:
            self._open(indent, head)
            return
        if head is not None:
            self._report_no_body(head)
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
                f"{choices}. Only the lines below a 'Repeat' are indented further than it",
                expected=tuple(f"an indentation of {one}" for one in fitting),
            )
        )

    # -- loops

    def _open(self, indent: int, head: LoopHead) -> None:
        if len(self._blocks) == MAX_DEPTH + 1:
            self.problems.append(
                Problem.at(head.source, f"loops nest at most {MAX_DEPTH} deep; this one is deeper")
            )
        self._blocks.append(_Block(indent, head))

    def _close(self) -> None:
        block = self._blocks.pop()
        head = block.head
        too_deep = len(self._blocks) > MAX_DEPTH
        if head is None or head.times is None or not block.items or too_deep:
            return  # reported where it went wrong
        loop = Repeat(times=head.times, body=tuple(block.items), source=head.source)
        self._blocks[-1].items.append(loop)

    def _drop_open_head(self) -> None:
        if self._open_head is not None:
            self._report_no_body(self._open_head)
            self._open_head = None

    def _report_no_body(self, head: LoopHead) -> None:
        if head.times is None:
            return  # the head itself has to be mended first
        self.problems.append(
            Problem.at(
                head.source,
                "this loop has no steps: indent the lines to repeat below it",
                expected=("an indented line below",),
            )
        )

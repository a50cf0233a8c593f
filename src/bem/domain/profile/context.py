"""The line being read: where its parts stand, and what was found wrong in it."""

from collections.abc import Mapping, Sequence

from lark import Token

from bem.domain.profile.model import Parameter
from bem.domain.profile.problems import Problem, Span

Parameters = Mapping[str, Parameter | None]
"""The parameters of the profile by name; ``None`` for one whose own line has to be mended."""


class Line:
    """One line without its comment, by its number (from 1) in the text.

    ``label`` is the one in front of it; where that stands, ``code`` holds blanks.
    """

    def __init__(
        self,
        code: str,
        number: int,
        *,
        parameters: Parameters | None = None,
        label: str | None = None,
        start: int | None = None,
    ) -> None:
        self.code = code.rstrip()
        self.number = number
        self.parameters: Parameters = parameters or {}
        self.label = label
        self.problems: list[Problem] = []
        self.targets: list[tuple[str, Span]] = []
        """The labels that ends of this line go to, each with its place."""
        self.is_incomplete = False
        """Whether a part is missing because of something wrong in another line."""
        self._start = len(self.code) - len(self.code.lstrip()) if start is None else start

    @property
    def whole(self) -> Span:
        """All of it, without the indentation."""
        return Span(line=self.number, column=self._start + 1, end_column=len(self.code) + 1)

    def span(self, first: Token, last: Token | None = None) -> Span:
        """From one token to another."""
        column, end = first.column, (last or first).end_column
        if column is None or end is None or first.type == "$END":
            column, end = len(self.code) + 1, len(self.code) + 2
        return Span(line=self.number, column=column, end_column=end)

    def text(self, span: Span) -> str:
        """What stands there."""
        return self.code[span.column - 1 : span.end_column - 1]

    def report(
        self,
        span: Span,
        message: str,
        *,
        expected: Sequence[str] = (),
        suggestion: str | None = None,
    ) -> None:
        """Note a problem."""
        problem = Problem.at(span, message, expected=expected, suggestion=suggestion)
        self.problems.append(problem)


def either(choices: Sequence[str]) -> str:
    """``a, b or c``."""
    if len(choices) > 1:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    return choices[0] if choices else "something else"

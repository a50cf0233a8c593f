"""What is wrong with a profile, and where."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field


class Span(BaseModel):
    """A stretch of one line of the text. All count from 1; ``end_column`` is one past the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int = Field(ge=1)
    column: int = Field(ge=1)
    end_column: int = Field(ge=1)


class Problem(BaseModel):
    """One thing that keeps a profile from running.

    ``expected``: what could stand there, in words. ``suggestion``: the text to put in the place of
    the marked one, where it is clear what was meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int = Field(ge=1)
    column: int = Field(ge=1)
    end_column: int = Field(ge=1)
    message: str
    expected: tuple[str, ...] = ()
    suggestion: str | None = None

    @classmethod
    def at(
        cls,
        span: Span,
        message: str,
        *,
        expected: Iterable[str] = (),
        suggestion: str | None = None,
    ) -> "Problem":
        """A problem with the marked stretch of text."""
        return cls(
            line=span.line,
            column=span.column,
            end_column=span.end_column,
            message=message,
            expected=tuple(expected),
            suggestion=suggestion,
        )

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class ProfileErrors(ValueError):
    """Everything that is wrong with a profile at once, in the order of the text."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(in_order(problems))
        super().__init__("\n".join(str(one) for one in self.problems))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by position."""
    return sorted(problems, key=lambda one: (one.line, one.column, one.end_column))

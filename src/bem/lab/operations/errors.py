"""How an operation says no."""

import math
from collections.abc import Iterable, Mapping

from django.core.exceptions import ValidationError
from django.db import models
from django.forms import model_to_dict

EVERYTHING = "__all__"
"""The field of a problem that belongs to the whole and to no single field; as Django's forms."""


class OperationRefused(ValueError):
    """An operation that did not happen, and nothing of it is stored.

    ``problems``: field to reasons, each with the value and the remedy.
    """

    def __init__(self, problems: Mapping[str, Iterable[str]]) -> None:
        self.problems = {field: list(reasons) for field, reasons in problems.items()}
        super().__init__(
            "; ".join(
                reason if field == EVERYTHING else f"{field}: {reason}"
                for field, reasons in self.problems.items()
                for reason in reasons
            )
        )


def refusal(reason: str, field: str = EVERYTHING) -> OperationRefused:
    """A refusal for one reason."""
    return OperationRefused({field: [reason]})


class Problems:
    """Gathers what is wrong, so that a person hears of everything at once."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def __contains__(self, field: str) -> bool:
        return field in self._found

    def add(self, field: str, reason: str) -> None:
        """Note one reason against one field."""
        self._found.setdefault(field, []).append(reason)

    def refuse_if_any(self) -> None:
        """End the operation if anything was noted.

        Raises:
            OperationRefused: with everything that was noted.
        """
        if self._found:
            raise OperationRefused(self._found)


def check_fields(record: models.Model, problems: Problems, exclude: Iterable[str] = ()) -> None:
    """Note what the model's own rules find: lengths, choices, blanks, numbers that are none."""
    skip = set(exclude)
    for name, value in model_to_dict(record, exclude=skip).items():
        if isinstance(value, float) and not math.isfinite(value):
            problems.add(name, f"{value} is not a finite number: give a plain number")
            skip.add(name)
        if isinstance(value, str) and "\x00" in value:
            problems.add(name, "contains a NUL character: remove it")
            skip.add(name)
    try:
        record.clean_fields(exclude=skip)
    except ValidationError as error:
        for name, reasons in error.message_dict.items():
            for reason in reasons:
                problems.add(name, reason)

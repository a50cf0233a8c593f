"""What a search comes back with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bem_drivers.base import Identity

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Found:
    """A device that a driver recognised.

    ``place``: where it is, in words that name no other device. ``settings``: what ``make_device``
    takes for it. ``answered``: by what it was recognised, escaped, at most 80 characters.
    """

    place: str
    driver: str
    settings: Mapping[str, Any]
    identity: Identity
    answered: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A place where something may be that no driver recognised.

    ``answered``: what it said, escaped, at most 80 characters; empty if it said nothing.
    ``trouble``: why nothing more is known, where something went wrong.
    """

    place: str
    answered: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class InUse:
    """A place that was left alone, because ``by`` uses it."""

    place: str
    by: str


Seen = Found | Unknown | InUse


def shown(text: str) -> str:
    """Escape and cut what came from a wire, so that it may stand anywhere."""
    escaped = text.strip().encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= _SHOWN else f"{escaped[: _SHOWN - 3]}..."

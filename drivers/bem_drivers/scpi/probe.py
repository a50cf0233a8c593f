"""How an instrument is recognised by those descriptions that say which instrument they are of."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bem_drivers.base import Identity, WrongDevice
from bem_drivers.finding.lines import Asking
from bem_drivers.finding.probe import LineProbe
from bem_drivers.line import SerialSettings
from bem_drivers.registry import DriverSpec
from bem_drivers.scpi import LOAD, METER, SOURCE
from bem_drivers.scpi.codec import identity_in
from bem_drivers.scpi.description import AnyDescription
from bem_drivers.scpi.description_file import (
    DescriptionError,
    check_any_description,
    load_any_description,
    packaged_names,
)

MOST_QUESTIONS = 4
"""Questions other than the usual one that a search has the time for: each is sent to whatever is
silent.
"""
_USUAL = "*IDN?"
_NOBODY = tuple(f"no such make,no such model,0,{version}" for version in ("0", "1.0", "V1.0"))
"""Whoever takes one of these for an instrument of theirs takes any."""
_SHORTEST_MODEL = 3
_OWN, _PACKAGED = 1, 2
"""Ranks of descriptions; a laboratory's own is the better one of the same instrument."""
_DRIVERS: dict[str, DriverSpec] = {"source": SOURCE, "load": LOAD, "meter": METER}


def described_instruments(
    files: Iterable[str], inline: Iterable[Mapping[str, Any]] = ()
) -> tuple[list[Asking], list[str]]:
    """Get what a search asks to recognise what is described, and why some of it never is.

    ``files`` are names or paths of descriptions, ``inline`` are descriptions themselves; those that
    come with the product come in behind. A description recognises the instruments that its pattern
    fits if that fits not just any, and else the model that its title names.
    """
    troubles: list[str] = []
    askings: list[Asking] = []
    packaged = packaged_names()
    read = (
        *_named(files, troubles),
        *_inline(inline, troubles),
        *_named(packaged, troubles),
    )
    for settings, description, name in read:
        probe = LineProbe(
            SerialSettings,
            description.identification.ask,
            _Recogniser(description),
            settings=settings,
            rank=_PACKAGED if name in packaged else _OWN,
            described_by=name,
        )
        if all(other.probe.settings != settings for other in askings):
            askings.append(Asking(_DRIVERS[description.kind], probe))
    return _within_time(askings, troubles), troubles


class _Recogniser:
    def __init__(self, description: AnyDescription) -> None:
        self._pattern = description.identification.pattern
        self._title = description.title.casefold()
        self._fits_any = any(identity_in(self._pattern, one) for one in _NOBODY)

    def __call__(self, answer: str) -> Identity:
        """Get who answered.

        Raises:
            WrongDevice: an instrument that the description is not of.
        """
        identity = identity_in(self._pattern, answer)
        if identity is None or (self._fits_any and not self._names(identity.model)):
            raise WrongDevice(f"{answer!r} is not what is described")
        return identity

    def _names(self, model: str) -> bool:
        word = re.escape(model.casefold())
        return (
            len(model) >= _SHORTEST_MODEL
            and re.search(rf"(?<!\w){word}(?!\w)", self._title) is not None
        )


_Read = tuple[dict[str, Any], AnyDescription, str]
"""The settings that name a description, the description, and what a person calls it."""


def _named(names: Iterable[str], troubles: list[str]) -> Iterator[_Read]:
    for name in names:
        try:
            yield {"instrument": name}, load_any_description(name), name
        except DescriptionError as error:
            troubles.append(str(error))


def _inline(inline: Iterable[Mapping[str, Any]], troubles: list[str]) -> Iterator[_Read]:
    for raw in inline:
        try:
            described = check_any_description(raw, "a station's own description")
        except DescriptionError as error:
            troubles.append(str(error))
        else:
            yield {"description": dict(raw)}, described, f"“{described.title}”"


def _within_time(askings: list[Asking], troubles: list[str]) -> list[Asking]:
    others = dict.fromkeys(one.probe.question for one in askings if one.probe.question != _USUAL)
    asked = {_USUAL, *list(others)[:MOST_QUESTIONS]}
    left_out = [one for one in askings if one.probe.question not in asked]
    if left_out:
        names = ", ".join(one.probe.described_by for one in left_out)
        troubles.append(
            f"more than {MOST_QUESTIONS} questions other than {_USUAL} are more than a search has "
            f"the time for; not looked for: {names}"
        )
    return [one for one in askings if one not in left_out]

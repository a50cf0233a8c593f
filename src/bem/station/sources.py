"""Which instrument of a station measures a channel, and how old its values may be. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SLOW_STALE_S = 10.0
"""Values of the power path besides voltage and current are dropped when older than this (s)."""


@dataclass(frozen=True, slots=True)
class Source:
    """An instrument as far as its values are judged.

    ``name`` in words. ``stale_s``: age (s) beyond which its values are no evidence any more.
    ``lack``: why it gives a value of a channel not, and what to do; empty where that is told
    elsewhere.
    """

    name: str
    stale_s: float
    lack: str = ""


POWER_PATH = Source("the device", SLOW_STALE_S)


@dataclass(frozen=True, slots=True)
class Sensors:
    """All that a station measures when nothing is missing.

    ``channels`` by name. ``of_meters``: the sources of those that are not of the power path.
    ``unknown``: meters that may have more, which they tell once they are found.
    """

    channels: tuple[str, ...] = ()
    of_meters: Mapping[str, Source] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def source(self, name: str) -> Source:
        """Get what measures a channel."""
        return self.of_meters.get(name, POWER_PATH)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Say of channels without a value who gives none: a sentence for each of the power path,
        and one for each meter, which as a rule lacks all at once.
        """
        found: list[str] = []
        by_meter: dict[Source, list[str]] = {}
        for name in names:
            if name in self.of_meters:
                by_meter.setdefault(self.of_meters[name], []).append(name)
            else:
                found.append(f"{POWER_PATH.name} gives no {name}")
        for meter, lacking in by_meter.items():
            why = f": {meter.lack}" if meter.lack else ""
            found.append(f"{meter.name} gives no {', '.join(lacking)}{why}")
        return found


NO_METERS = Sensors()

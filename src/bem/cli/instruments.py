"""Which descriptions of SCPI instruments this node has, to recognise them by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bem.runtime.log import Condition
from bem.runtime.settings import Settings
from bem.station.claims import Claim
from bem_drivers.finding import Asking
from bem_drivers.scpi.probe import described_instruments


def instruments_of(
    settings: Settings, claimed: Iterable[Claim], trouble: Condition
) -> Sequence[Asking]:
    """Get what a search asks, by the descriptions of the folder and of the stations.

    One that cannot be used keeps no other from being used; ``trouble`` tells of it.
    """
    files = sorted(str(one) for one in settings.node.instruments.glob("*.yaml"))
    parts = [part for claim in claimed for part in _parts(claim.settings)]
    named = [one for part in parts if isinstance(one := part.get("instrument"), str)]
    inline = [one for part in parts if isinstance(one := part.get("description"), Mapping)]
    askings, troubles = described_instruments(dict.fromkeys((*files, *named)), inline)
    if troubles:
        trouble.begin("; ".join(troubles))
    else:
        trouble.end()
    return askings


def _parts(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Get these settings and those of the devices that a device is made of."""
    yield settings
    for value in settings.values():
        if isinstance(value, Mapping) and isinstance(its := value.get("settings"), Mapping):
            yield from _parts(its)

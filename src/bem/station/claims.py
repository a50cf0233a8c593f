"""Which devices the stations of this node have: by their definitions, and by the locks they hold.

Touches no device and no lock.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bem.runtime.lock import signer
from bem.runtime.settings import Settings, SettingsError, is_station_id, load_station
from bem.station.lock import device_lock
from bem_drivers.finding import place_names


@dataclass(frozen=True, slots=True)
class Claim:
    """A place that the definition of a station names.

    ``is_power``: it is the power path, no meter. ``runs``: a process runs the station.
    """

    place: str
    station: str
    is_power: bool
    driver: str
    runs: bool
    settings: Mapping[str, Any] = field(default_factory=dict)


def claims(settings: Settings) -> list[Claim]:
    """List what the definitions of this node name; one that cannot be used claims nothing."""
    found: list[Claim] = []
    for path in sorted(settings.station_files.glob("*.yaml")):
        if is_station_id(path.stem):
            found += _claims_of(settings, path.stem)
    return found


def _claims_of(settings: Settings, station: str) -> Iterator[Claim]:
    try:
        definition = load_station(settings.station_file(station))
    except SettingsError:
        return
    runs = signer(settings.station_folder(station) / "lock") is not None
    for device in (definition.power, *definition.meters):
        try:
            places = place_names(device.driver, device.settings)
        except (LookupError, ValidationError):
            continue
        for place in places:
            is_power = device is definition.power
            yield Claim(place, station, is_power, device.driver, runs, device.settings)


def user_of(settings: Settings) -> Callable[[str], str | None]:
    """Get what tells who drives the device at a place, by its name in the driver."""

    def user(place: str) -> str | None:
        pid = signer(device_lock(settings.device_locks, place))
        return None if pid is None else f"process {pid}"

    return user

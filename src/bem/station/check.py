"""What a node can tell before a station runs: which drivers it has, and whether a definition fits.

Both touch no device.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bem.runtime.settings import (
    Settings,
    SettingsError,
    StationDefinition,
    StationDevice,
    load_station,
)
from bem.station.clock import SystemStationClock
from bem.station.main import (
    StationUnusable,
    device_places_of,
    power_device,
    station_meters,
)
from bem_drivers.registry import driver, driver_names

_LOGGER = logging.getLogger(__name__)
EXIT_FITS = 0
EXIT_UNUSABLE = 2


def check(settings: Settings, station_id: str, candidate: Path) -> int:
    """Check a definition that is not in force yet; what is wrong goes to standard output,
    since the log goes to the other.

    It must be readable, its drivers must take their settings, its meters must only measure, no two
    of its instruments may have a channel of the same name, and no other station of this node may
    drive the same device.

    Returns:
        The exit code: 0 it can be put in force, 2 it cannot.
    """
    try:
        definition = load_station(candidate)
        if definition.id != station_id:
            raise StationUnusable(f"id is {definition.id!r}, asked was {station_id!r}")  # noqa: TRY301 - told like the others
        power = power_device(definition, SystemStationClock())
        meters = station_meters(definition, SystemStationClock())
        # Most drivers know their channels before; of others the station tells once they are found.
        clash = meters.clash(getattr(power, "channels", ()))
        if clash:
            raise StationUnusable(clash)  # noqa: TRY301 - told like the others
        _check_places(settings, definition)
    except SettingsError as error:
        # The path of the candidate says nothing to the person who wrote it.
        sys.stdout.write(str(error).replace(f"{candidate}:", "the definition:").strip() + "\n")
        return EXIT_UNUSABLE
    except StationUnusable as error:
        sys.stdout.write(f"{_in_words(error)}\n")
        return EXIT_UNUSABLE
    return EXIT_FITS


def list_drivers(*, as_json: bool) -> int:
    """Write the installed drivers: their names and titles, or JSON with the settings they take."""
    found: list[dict[str, Any]] = []
    for name in driver_names():
        try:
            spec = driver(name)
            schema = spec.settings.model_json_schema()
        except Exception as error:  # noqa: BLE001 - a broken driver of another package hides none
            _LOGGER.warning("driver %s cannot be used: %s", name, error)
            continue
        power = spec.has_power_path
        found.append({"name": spec.name, "title": spec.title, "settings": schema, "power": power})
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.writelines(f"{one['name']:<12} {one['title']}\n" for one in found)
    return 0


def _check_places(settings: Settings, definition: StationDefinition) -> None:
    """Refuse a device that another station of this node uses, and one that is named twice.

    Raises:
        StationUnusable: names the other station and the device.
    """
    places = set(device_places_of(_devices(definition)))
    if len(places) < sum(len(device_places_of([one])) for one in _devices(definition)):
        raise StationUnusable("two of its devices are at the same place: give each its own")
    for path in sorted(settings.station_files.glob("*.yaml")):
        if path.stem == definition.id:
            continue
        try:
            other = load_station(path)
            taken = places.intersection(device_places_of(_devices(other)))
        except (SettingsError, LookupError, ValidationError):
            # A definition that cannot run drives nothing.
            continue
        if taken:
            raise StationUnusable(
                f"station {other.id!r} ({other.name}) drives the device at {min(taken)} already: "
                "give this one another device, or remove that station first"
            )


def _devices(definition: StationDefinition) -> tuple[StationDevice, ...]:
    return (definition.power, *definition.meters)


def _in_words(error: StationUnusable) -> str:
    """Say what a driver found, a setting a line, without the trace of its checker."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error)
    lines = []
    for problem in cause.errors(include_url=False, include_context=False):
        path = ".".join([error.path, *(str(part) for part in problem["loc"])])
        found = "" if problem["type"] == "missing" else f" (found {problem['input']!r})"
        lines.append(f"{path}: {problem['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)

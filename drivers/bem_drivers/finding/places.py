"""Names of places: two of them may mean the same port."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bem_drivers.finding.probe import CanProbe
from bem_drivers.line import TcpSettings
from bem_drivers.registry import driver

_PORT_PREFIXES = ("serial ", "slcan:")
_ADDRESS_PREFIX = "tcp "


def place_names(name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Get the places of a device with these raw settings, as a search would call them.

    Nothing for a device that is at no port and no bus, such as a virtual one.

    Raises:
        LookupError: no such driver.
        pydantic.ValidationError: settings it does not take.
    """
    spec = driver(name)
    checked = spec.settings.model_validate(settings)
    probe = spec.probe() if spec.probe is not None else None
    return (probe.place(checked),) if isinstance(probe, CanProbe) else spec.places(checked)


def same_place(place: str) -> str:
    """Get what all names of a place have in common: links are followed to the port itself."""
    for prefix in _PORT_PREFIXES:
        if place.startswith(prefix):
            port, comma, rest = place.removeprefix(prefix).partition(",")
            port, _, _baudrate = port.partition("@")
            return f"{prefix}{os.path.realpath(port)}{comma}{rest}"
    return place


def port_of(place: str) -> str | None:
    """Get the port that a place is at; ``None``: it is at none of this machine."""
    for prefix in _PORT_PREFIXES:
        if place.startswith(prefix):
            return place.removeprefix(prefix).partition(",")[0].partition("@")[0]
    return None


def address_of(place: str) -> TcpSettings | None:
    """Get the address of a place such as ``tcp 10.0.0.5:5025``; ``None``: it is at none."""
    if not place.startswith(_ADDRESS_PREFIX):
        return None
    host, _, port = place.removeprefix(_ADDRESS_PREFIX).rpartition(":")
    try:
        return TcpSettings.model_validate({"host": host.strip("[]"), "port": port})
    except ValidationError:
        return None

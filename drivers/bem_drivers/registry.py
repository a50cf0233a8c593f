"""Find a driver by its name. Drivers announce themselves by entry points of ``bem.drivers``.

An entry point names a :class:`DriverSpec`, so that another package can bring a driver of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bem_drivers.base import Clock, Device, PowerDevice, SystemClock

if TYPE_CHECKING:
    # A station neither searches nor simulates.
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec

GROUP = "bem.drivers"


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """A driver: its name, the settings it takes, and how to make a device from them.

    ``make(settings, clock)`` returns an unopened device; it touches no hardware.
    ``places(settings)`` names what only one process of a machine may use; nothing where every
    device is one of its own. ``probe()``, where a device can be recognised, says how a search does
    it; ``simulate()``, where there is a simulator, how a bench puts it up. What these two need is
    imported only then. ``has_power_path``: whether its devices drive current, or only measure;
    ``None`` does not tell, and shows once a device is made.
    """

    name: str
    title: str
    settings: type[BaseModel]
    make: Callable[[Any, Clock], Device]
    places: Callable[[Any], tuple[str, ...]] = lambda _settings: ()
    probe: "Callable[[], Probe] | None" = None
    simulate: "Callable[[], SimulatorSpec] | None" = None
    has_power_path: bool | None = None


def driver_names() -> list[str]:
    """Get the names of all installed drivers, sorted."""
    return sorted(point.name for point in entry_points(group=GROUP))


@cache
def driver(name: str) -> DriverSpec:
    """Get the driver called ``name``; remembered, as each look at what is installed reads files.

    Raises:
        LookupError: no such driver; the message lists those installed.
    """
    for point in entry_points(group=GROUP, name=name):
        spec = point.load()
        if not isinstance(spec, DriverSpec):
            raise LookupError(f"entry point {point.value!r} of driver {name!r} is no DriverSpec")
        return spec
    raise LookupError(f"no driver {name!r}; installed: {', '.join(driver_names())}")


def device_places(name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Get what only one process of this machine may use with these raw settings.

    Raises:
        LookupError: no such driver.
        pydantic.ValidationError: settings it does not take; each error has its path.
    """
    spec = driver(name)
    return spec.places(spec.settings.model_validate(settings))


def make_device(name: str, settings: Mapping[str, Any], clock: Clock | None = None) -> Device:
    """Make an unopened device from raw settings.

    Raises:
        LookupError: no such driver.
        pydantic.ValidationError: settings it does not take; each error has its path.
    """
    spec = driver(name)
    return spec.make(spec.settings.model_validate(settings), clock or SystemClock())


def has_power_path(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether a device of these raw settings drives current, or only measures.

    Raises:
        LookupError: no such driver.
        pydantic.ValidationError: settings it does not take, where the driver does not tell.
    """
    told = driver(name).has_power_path
    return isinstance(make_device(name, settings), PowerDevice) if told is None else told

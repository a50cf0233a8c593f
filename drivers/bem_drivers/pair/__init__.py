"""A source and a load as one power path: the driver."""

from bem_drivers.base import Clock, Device
from bem_drivers.pair.settings import PairSettings
from bem_drivers.registry import DriverSpec, device_places


def _make(settings: PairSettings, clock: Clock) -> Device:
    from bem_drivers.pair.driver import PairDevice

    return PairDevice(settings, clock)


def _places(settings: PairSettings) -> tuple[str, ...]:
    """Whatever either of the two is at."""
    return tuple(
        place
        for member in (settings.source, settings.load)
        for place in device_places(member.driver, member.settings)
    )


DRIVER = DriverSpec(
    name="source-and-load",
    title="Source and load as one power path",
    settings=PairSettings,
    make=_make,
    places=_places,
    has_power_path=True,
)

__all__ = ["DRIVER", "PairSettings"]

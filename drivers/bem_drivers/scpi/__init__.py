"""SCPI instruments that a description explains: source, load and meter, with a simulator.

:mod:`bem_drivers.scpi.numbers` serves every device that answers in text.
"""

from bem_drivers.base import Clock, Device
from bem_drivers.registry import DriverSpec
from bem_drivers.scpi.settings import LoadSettings, MeterSettings, ScpiSettings, SourceSettings


def _make_power(settings: SourceSettings | LoadSettings, clock: Clock) -> Device:
    from bem_drivers.scpi.power import ScpiPower

    return ScpiPower(settings, clock)


def _make_meter(settings: MeterSettings, clock: Clock) -> Device:
    from bem_drivers.scpi.meter import ScpiMeter

    return ScpiMeter(settings, clock)


def _places(settings: ScpiSettings) -> tuple[str, ...]:
    """A line has one owner."""
    return (settings.address.name,)


SOURCE = DriverSpec(
    name="scpi-source",
    title="Power supply described by SCPI lines",
    settings=SourceSettings,
    make=_make_power,
    places=_places,
)
LOAD = DriverSpec(
    name="scpi-load",
    title="Electronic load described by SCPI lines",
    settings=LoadSettings,
    make=_make_power,
    places=_places,
)
METER = DriverSpec(
    name="scpi-meter",
    title="Meter described by SCPI lines",
    settings=MeterSettings,
    make=_make_meter,
    places=_places,
)

__all__ = ["LOAD", "METER", "SOURCE", "LoadSettings", "MeterSettings", "SourceSettings"]

"""Who takes part in ``bem calibrate``: found, kept from everybody else, looked at."""

import argparse
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bem.cli.questions import Questions
from bem.cli.stations import ask
from bem.domain.calibration.course import Quantity
from bem.runtime.settings import (
    Settings,
    SettingsError,
    StationDefinition,
    StationDevice,
    load_device,
    load_station,
)
from bem.station.clock import SystemStationClock
from bem.station.journal_file import JournalError, JournalFile
from bem.station.lock import DeviceLock, StationBusy, StationLock
from bem.station.main import StationUnusable, device_places_of, power_device
from bem_drivers.base import Device, DeviceError, PowerDevice
from bem_drivers.registry import make_device


class Refused(Exception):
    """The check cannot be made. The message says why; nothing was switched on."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What takes part in a check, unopened."""

    definition: StationDefinition
    station: str
    device: PowerDevice
    meter_definition: StationDevice
    meter: Device
    source_definition: StationDevice | None
    source: PowerDevice | None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What can be compared."""
        own = (Quantity.VOLTAGE, Quantity.CURRENT)
        return own if self.source is None else (Quantity.VOLTAGE, Quantity.SUPPLY_VOLTAGE)


def bench_of(settings: Settings, arguments: argparse.Namespace, questions: Questions) -> Bench:
    """Make the devices that the options name, a meter's file asked for where there is none.

    Raises:
        Refused, SettingsError, StationUnusable: one cannot be. NotAnswered: no meter was named.
    """
    if arguments.power is not None:
        definition = StationDefinition(
            id="calibration", name="Calibration", power=load_device(arguments.power)
        )
    else:
        definition = load_station(settings.station_file(arguments.station))
    meter = _meter_definition(definition, arguments, questions)
    clock = SystemStationClock()
    device = power_device(definition, clock)
    source_definition, source = _source(arguments, clock)
    try:
        reference = make_device(meter.driver, meter.settings, clock)
    except (LookupError, ValidationError) as error:
        raise Refused(f"reference meter, driver {meter.driver!r}: {error}") from error
    return Bench(
        definition, arguments.station or "", device, meter, reference, source_definition, source
    )


def _source(
    arguments: argparse.Namespace, clock: SystemStationClock
) -> tuple[StationDevice | None, PowerDevice | None]:
    if arguments.source is None:
        if arguments.source_current is not None:
            raise Refused("--source-current is of a source: name one by --source")
        return None, None
    described = load_device(arguments.source)
    try:
        source = power_device(StationDefinition(id="source", name="Source", power=described), clock)
    except StationUnusable as error:
        raise Refused(f"--source {arguments.source}: {error}") from error
    return described, source


def _meter_definition(
    definition: StationDefinition, arguments: argparse.Namespace, questions: Questions
) -> StationDevice:
    named = arguments.station_meter
    if named is not None:
        for meter in definition.meters:
            if meter.name == named:
                return meter
        there = ", ".join(meter.name for meter in definition.meters) or "none"
        raise Refused(f"this station has no meter {named!r}; it has: {there}")
    path = questions.text(
        None if arguments.meter is None else str(arguments.meter),
        "--meter",
        "File that describes the reference meter (driver, settings)",
    )
    questions.check()
    return load_device(Path(path))


@contextmanager
def held(settings: Settings, bench: Bench) -> Iterator[None]:
    """Keep everybody else from all that takes part, and the station from starting.

    Raises:
        StationBusy: another process has one of them. Refused: an experiment is to go on there.
    """
    with ExitStack() as locks:
        if bench.station:
            try:
                locks.enter_context(StationLock(settings.station_folder(bench.station)))
            except StationBusy as busy:
                raise StationBusy(f"{busy}{_doing(settings, bench.station)}") from None
        _refuse_shared(bench)
        places = device_places_of(_devices(bench))
        for place in places:
            locks.enter_context(DeviceLock(settings.data_dir / "devices", place))
        # A virtual device is at no place.
        named = (bench.station,) if bench.station else ()
        for station in dict.fromkeys((*named, *_stations_with(settings, places))):
            _refuse_while_kept(settings, station)
        yield


def _devices(bench: Bench) -> Iterable[StationDevice]:
    # The station's other meters are nobody's business here, and stay free.
    source = bench.source_definition
    sources = () if source is None else (source,)
    return (bench.definition.power, bench.meter_definition, *sources)


def _stations_with(settings: Settings, places: Iterable[str]) -> Iterator[str]:
    """Get the stations of this node that drive what is at one of these places."""
    taking_part = set(places)
    for path in sorted(settings.station_files.glob("*.yaml")):
        try:
            theirs = device_places_of((load_station(path).power,))
        except (SettingsError, LookupError, ValidationError):
            # A definition that cannot run drives nothing.
            continue
        if taking_part.intersection(theirs):
            yield path.stem


def _refuse_shared(bench: Bench) -> None:
    """See that the source is an instrument of its own.

    Raises:
        Refused: it is where the device or the reference is.
    """
    if bench.source_definition is None:
        return
    source = set(device_places_of((bench.source_definition,)))
    for what, other in (("device", bench.definition.power), ("reference", bench.meter_definition)):
        shared = source.intersection(device_places_of((other,)))
        if shared:
            raise Refused(
                f"the source is at {min(shared)}, and so is the {what}: the source must be an "
                "instrument of its own"
            )


def _doing(settings: Settings, station: str) -> str:
    found = ask(station, settings.station_socket(station))
    if found.experiment is not None:
        return f". Experiment {found.experiment} is on it: wait for its end"
    if found.answers:
        return f" (systemctl stop bem-station@{station}); no experiment is on it"
    return ""


def _refuse_while_kept(settings: Settings, station: str) -> None:
    """Respect what the station would: a run that is to go on, hands that are in.

    Raises:
        Refused: there is one, or it cannot be told.
    """
    journal = settings.journal_file(station)
    if not journal.exists():
        return
    try:
        runs, lock = JournalFile(journal).open_runs(), JournalFile(journal).lock()
    except (JournalError, sqlite3.Error) as error:
        raise Refused(f"whether an experiment is to go on there is not known: {error}") from error
    if runs:
        raise Refused(
            f"experiment {runs[0].experiment} is to go on at station {station} when its process "
            "starts again; let it end first"
        )
    if lock is not None:
        raise Refused(
            f"station {station} is locked by {lock.by} since {lock.at}: {lock.note}; "
            f"start it, then: bem unlock {station}"
        )


def look(bench: Bench, quantity: Quantity) -> None:
    """See who is there; all are let go of again, since a person may take long to answer.

    Raises:
        Refused: one is not there, or is another, or does not measure what is to be checked.
    """
    taking_part: dict[str, Device] = {"device": bench.device, "reference meter": bench.meter}
    if bench.source is not None:
        taking_part["source"] = bench.source
    for what, device in taking_part.items():
        try:
            device.open()
        except DeviceError as error:
            raise Refused(f"{what}: {error}") from error
        finally:
            device.close()
    there = [channel.name for channel in bench.device.channels]
    if quantity not in there:
        raise Refused(
            f"the device does not measure {quantity}; its channels are: {', '.join(there)}"
        )

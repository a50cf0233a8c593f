"""``bem calibrate``: guides a person through a check, keeps its report, says what came of it."""

import argparse
import getpass
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bem.cli.interruption import Interruption, Teller
from bem.cli.questions import NotAnswered, Questions
from bem.cli.stations import ask
from bem.domain.calibration.course import Quantity
from bem.domain.calibration.firmware import Constants
from bem.domain.calibration.judging import Accuracy, Verdict
from bem.domain.calibration.report import MOST_INTERVAL_DAYS, Report
from bem.domain.calibration.text import accuracy_text
from bem.domain.limits import Limits
from bem.runtime.settings import (
    Settings,
    SettingsError,
    StationDefinition,
    StationDevice,
    load_device,
    load_station,
)
from bem.station.calibration.check import EPC, Order, OutputUnverified, carry_out
from bem.station.calibration.reference import Reference, channel_of
from bem.station.calibration.store import CalibrationStore, StoreError
from bem.station.calibration.taking import Abandoned, Pace
from bem.station.clock import SystemStationClock
from bem.station.journal_file import JournalError, JournalFile
from bem.station.lock import DeviceLock, StationBusy, StationLock
from bem.station.main import StationUnusable, device_places_of, power_device
from bem_drivers.base import Channel, Device, DeviceError, Identity, PowerDevice
from bem_drivers.registry import make_device

EXIT_PASSED = 0
EXIT_NO_RESULT = 1
EXIT_REFUSED = 2
"""Nothing was switched on."""
EXIT_NOT_PASSED = 3
LONGEST_SETTLE_S = 600.0
SHORTEST_SILENCE_S = 0.5
LONGEST_SILENCE_S = 60.0

_CONNECT = {
    Quantity.VOLTAGE: (
        "Connect the reference voltmeter to the terminals at which the device measures, at the "
        "battery and not at the far end of the cables: plus to plus, minus to minus."
    ),
    Quantity.CURRENT: (
        "Connect the reference ammeter, or the shunt with its meter, into the path of the current "
        "so that charging reads positive. See that it and its socket can bear the highest current."
    ),
}


class Refused(Exception):
    """The check cannot be made. The message says why; nothing was switched on."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """What takes part in a check, unopened."""

    definition: StationDefinition
    station: str
    device: PowerDevice
    meter_definition: StationDevice
    meter: Device


def calibrate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Check voltage or current of a device; returns the exit code.

    0: within the tolerance. 3: not, or it cannot be told; the report is kept too. 1: no result.
    2: refused, before anything was switched on.
    """
    questions = Questions(silent=arguments.yes)
    store = CalibrationStore(settings.calibrations)
    try:
        bench = _bench(settings, arguments, questions)
        with _held(settings, bench):
            store.prepare()
            report = _check(bench, arguments, questions)
            kept = store.keep(report)
    except (Refused, NotAnswered, SettingsError, StationUnusable, StationBusy) as error:
        return _say(error, EXIT_REFUSED)
    except KeyboardInterrupt:
        return _say("interrupted; nothing was left on", EXIT_REFUSED)
    except OutputUnverified as error:
        return _say(f"DANGER: {error}", EXIT_NO_RESULT)
    except (Abandoned, DeviceError) as error:
        return _say(f"no result, and nothing was left on: {error}", EXIT_NO_RESULT)
    except (StoreError, OSError) as error:
        return _say(error, EXIT_NO_RESULT)
    sys.stdout.write(_summary(report) + "".join(f"kept in {path}\n" for path in kept))
    return EXIT_PASSED if report.verdict is Verdict.PASSED else EXIT_NOT_PASSED


def _check(bench: _Bench, arguments: argparse.Namespace, questions: Questions) -> Report:
    quantity = Quantity(
        questions.choice(
            arguments.quantity, "--quantity", "What is to be compared?", tuple(Quantity)
        )
    )
    questions.tell(_CONNECT[quantity])
    questions.confirm("Is it connected, with a battery that is about half charged?")
    questions.check()
    device, meter, channels = _look(bench)
    try:
        channel = channel_of(channels, quantity, arguments.meter_channel)
    except Abandoned as error:
        raise Refused(str(error)) from error
    questions.tell(f"device: {_title(device)}\nreference: {_title(meter)}, channel {channel.name}")
    order = _order(bench, arguments, questions, quantity, channel.name, meter.serial)
    questions.tell(
        f"{order.points} points of {quantity} will be taken within {_limits_text(order.limits)}; "
        "the output will be on. Ctrl-C ends it and switches off."
    )
    questions.confirm("Go on?")
    clock = SystemStationClock()
    reference = Reference(bench.meter_definition, channel.name, bench.meter, clock)
    with Interruption() as interruption, Teller() as teller, reference.reading():
        return carry_out(
            order,
            bench.device,
            reference,
            reference.identity,
            clock,
            interruption.reason,
            teller.tell,
        )


def _bench(settings: Settings, arguments: argparse.Namespace, questions: Questions) -> _Bench:
    if arguments.power is not None:
        definition = StationDefinition(
            id="calibration", name="Calibration", power=load_device(arguments.power)
        )
    else:
        definition = load_station(settings.station_file(arguments.station))
    meter = _meter_definition(definition, arguments, questions)
    clock = SystemStationClock()
    device = power_device(definition, clock)
    try:
        reference = make_device(meter.driver, meter.settings, clock)
    except (LookupError, ValidationError) as error:
        raise Refused(f"reference meter, driver {meter.driver!r}: {error}") from error
    return _Bench(definition, arguments.station or "", device, meter, reference)


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
def _held(settings: Settings, bench: _Bench) -> Iterator[None]:
    """Keep everybody else from device and meter, and the station from starting.

    Raises:
        StationBusy: another process has one of them. Refused: an experiment is to go on there.
    """
    with ExitStack() as held:
        if bench.station:
            try:
                held.enter_context(StationLock(settings.station_folder(bench.station)))
            except StationBusy as busy:
                raise StationBusy(f"{busy}{_doing(settings, bench.station)}") from None
            _refuse_while_kept(settings, bench.station)
        for place in device_places_of(_devices(bench)):
            held.enter_context(DeviceLock(settings.data_dir / "devices", place))
        yield


def _devices(bench: _Bench) -> Iterable[StationDevice]:
    # The station's other meters are nobody's business here, and stay free.
    return (bench.definition.power, bench.meter_definition)


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


def _look(bench: _Bench) -> tuple[Identity, Identity, tuple[Channel, ...]]:
    """See who is there; both are let go of again, since a person may take long to answer.

    Raises:
        Refused: one is not there, or is another.
    """
    found = []
    for what, device in (("device", bench.device), ("reference meter", bench.meter)):
        try:
            device.open()
            found.append(device.identity)
        except DeviceError as error:
            raise Refused(f"{what}: {error}") from error
        finally:
            device.close()
    return found[0], found[1], bench.meter.channels


def _order(
    bench: _Bench,
    arguments: argparse.Namespace,
    questions: Questions,
    quantity: Quantity,
    channel: str,
    meter_serial: str,
) -> Order:
    """Ask for what is still missing.

    Raises:
        NotAnswered: that stays so. Refused: what was said cannot be.
    """
    operator = questions.text(arguments.operator, "--operator", "Your name", getpass.getuser())
    serial = questions.text(
        arguments.meter_serial,
        "--meter-serial",
        "Serial number on the certificate of the reference meter",
        meter_serial or None,
    )
    accuracy = _accuracy(questions, arguments.meter_accuracy, "--meter-accuracy", quantity)
    tolerance = _accuracy(questions, arguments.tolerance, "--tolerance", quantity)
    limits = _limits(arguments, questions)
    questions.check()
    if arguments.firmware is not None and bench.definition.power.driver != EPC:
        raise Refused("--firmware is for the image of an EPC; leave it out for other devices")
    if not 0 < arguments.settle <= LONGEST_SETTLE_S:
        raise Refused(f"--settle {arguments.settle:g}: more than 0, at most {LONGEST_SETTLE_S:g} s")
    if not SHORTEST_SILENCE_S <= arguments.silence <= LONGEST_SILENCE_S:
        raise Refused(
            f"--silence {arguments.silence:g}: choose {SHORTEST_SILENCE_S:g} to "
            f"{LONGEST_SILENCE_S:g} s"
        )
    if not 1 <= arguments.interval <= MOST_INTERVAL_DAYS:
        raise Refused(f"--interval {arguments.interval}: choose 1 to {MOST_INTERVAL_DAYS} days")
    try:
        return Order(
            quantity=quantity,
            limits=Limits.model_validate(limits),
            operator=operator,
            driver=bench.definition.power.driver,
            meter_driver=bench.meter_definition.driver,
            meter_channel=channel,
            meter_serial=serial,
            accuracy=Accuracy(share=accuracy[0] / 100, fixed=accuracy[1]),
            tolerance=Accuracy(share=tolerance[0] / 100, fixed=tolerance[1]),
            points=arguments.points,
            interval_days=arguments.interval,
            station=bench.station,
            note=arguments.note,
            firmware=_firmware(arguments.firmware),
            pace=Pace(settle_s=arguments.settle),
            silence_s=arguments.silence,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused(f"{where}: {first['msg']}".removeprefix(": ")) from error


def _accuracy(
    questions: Questions, said: list[float] | None, option: str, quantity: Quantity
) -> tuple[float, float]:
    whose = {
        "--meter-accuracy": "Largest error of the reference by its certificate or data sheet",
        "--tolerance": "Largest error of the device that is still well",
    }[option]
    share, fixed = said or (None, None)
    return (
        questions.number(share, option, f"{whose}, % of the reading"),
        questions.number(fixed, option, f"{whose}, and a fixed part in {quantity.unit}"),
    )


def _limits(arguments: argparse.Namespace, questions: Questions) -> dict[str, float]:
    limits = {
        name: questions.number(
            getattr(arguments, name),
            f"--{name.replace('_', '-')}",
            f"Battery's {name.split('_')[1]}imum of {name.split('_')[0]} ({unit})",
        )
        for name, unit in (
            ("voltage_min", "V"),
            ("voltage_max", "V"),
            ("current_min", "A, discharging, negative or 0"),
            ("current_max", "A, charging"),
        )
    }
    further = {
        f"{quantity}_{side}": getattr(arguments, f"{quantity}_{side}")
        for quantity in ("power", "temperature")
        for side in ("min", "max")
    }
    return limits | {name: value for name, value in further.items() if value is not None}


def _firmware(said: list[int] | None) -> Constants | None:
    return None if said is None else Constants(factor=said[0], offset=said[1])


def _limits_text(limits: Limits) -> str:
    given = limits.model_dump(exclude_none=True)
    return ", ".join(f"{name} {value:g}" for name, value in given.items())


def _title(identity: Identity) -> str:
    parts = (f"{identity.make} {identity.model}".strip(), identity.serial)
    return ", serial number ".join(part for part in parts if part)


def _summary(report: Report) -> str:
    unit, found = report.quantity.unit, report.factors
    gain = f"{found.gain:.6f} (+- {found.gain_uncertainty:.2g})"
    offset = f"{found.offset:+.6f} {unit} (+- {found.offset_uncertainty:.2g} {unit})"
    lines = [
        f"{report.verdict}: {report.quantity} of {report.device}",
        f"true = {gain} x reading {offset}, 95 %",
        f"tolerance {accuracy_text(report.tolerance, unit)}",
        f"{len(report.points)} points, {len(report.skipped)} not taken; due again {report.due}",
    ]
    if report.firmware is not None:
        lines.append(f"firmware constants: {report.firmware.factor} / {report.firmware.offset}")
    elif report.firmware_note:
        lines.append(f"firmware constants: {report.firmware_note}")
    return "\n".join(lines) + "\n"


def _say(what: object, code: int) -> int:
    sys.stderr.write(f"bem: {what}\n")
    return code

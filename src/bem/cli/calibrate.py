"""``bem calibrate``: guides a person through a check, keeps its report, says what came of it."""

import argparse
import getpass
import sys

from pydantic import ValidationError

from bem.cli.calibration_bench import Bench, Refused, bench_of, held, look
from bem.cli.checks import known_as_running
from bem.cli.interruption import Interruption, Teller, signals_as_ctrl_c
from bem.cli.questions import NotAnswered, Questions
from bem.domain.calibration.course import USUAL_POINTS, Quantity
from bem.domain.calibration.firmware import Constants
from bem.domain.calibration.judging import Accuracy, Verdict
from bem.domain.calibration.report import MOST_INTERVAL_DAYS, Report
from bem.domain.calibration.text import accuracy_text
from bem.domain.limits import Limits
from bem.runtime.settings import Settings, SettingsError
from bem.station.calibration.check import (
    EPC,
    SOURCE_CURRENT_A,
    Order,
    carry_out,
    steps_of,
)
from bem.station.calibration.ending import OutputUnverified
from bem.station.calibration.path import Abandoned
from bem.station.calibration.reference import Reference, channel_of
from bem.station.calibration.store import CalibrationStore, StoreError
from bem.station.calibration.taking import Pace
from bem.station.clock import SystemStationClock
from bem.station.lock import StationBusy
from bem.station.main import StationUnusable
from bem_drivers.base import DeviceError, Identity

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
_CONNECT_SOURCE = {
    Quantity.VOLTAGE: (
        "Disconnect the battery. Connect the source and the reference voltmeter to the terminals "
        "at which the device measures the battery: plus to plus, minus to minus. Leave the "
        "device's supply as it is."
    ),
    Quantity.SUPPLY_VOLTAGE: (
        "Disconnect the accumulator or supply of the high side, and the battery too. Connect the "
        "source and the reference voltmeter to the terminals of the high side: plus to plus, minus "
        "to minus."
    ),
}
LEAST_SOURCE_CURRENT_A = 0.01
MOST_SOURCE_CURRENT_A = 1.0
"""More is not needed to hold a voltage where nothing draws, and would harm what is connected."""


def calibrate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Check voltage or current of a device; returns the exit code.

    0: within the tolerance. 3: not, or it cannot be told; the report is kept too. 1: no result.
    2: refused, before anything was switched on.
    """
    questions = Questions(silent=arguments.yes)
    store = CalibrationStore(settings.calibrations)
    try:
        bench = bench_of(settings, arguments, questions)
        with held(settings, bench), known_as_running(settings), signals_as_ctrl_c():
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


def _check(bench: Bench, arguments: argparse.Namespace, questions: Questions) -> Report:
    quantity = Quantity(
        questions.choice(
            arguments.quantity, "--quantity", "What is to be compared?", bench.quantities
        )
    )
    if quantity not in bench.quantities:
        raise Refused(
            f"--quantity {quantity}: a source steps voltages only; leave --source out"
            if bench.source is not None
            else f"--quantity {quantity}: no device sets it by itself; it needs a --source"
        )
    _connected(bench, questions, quantity)
    look(bench, quantity)
    meter = bench.meter.identity
    try:
        channel = channel_of(bench.meter.channels, quantity, arguments.meter_channel)
    except Abandoned as error:
        raise Refused(str(error)) from error
    questions.tell(
        f"device: {_title(bench.device.identity)}\n"
        f"reference: {_title(meter)}, channel {channel.name}"
    )
    order = _order(bench, arguments, questions, quantity, channel.name, meter.serial)
    questions.tell(f"{_intention(bench, order)} Ctrl-C ends it and switches off.")
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
            bench.source,
        )


def _connected(bench: Bench, questions: Questions, quantity: Quantity) -> None:
    if bench.source is None:
        questions.tell(_CONNECT[quantity])
        questions.confirm("Is it connected, with a battery that is about half charged?")
    else:
        questions.tell(_CONNECT_SOURCE[quantity])
        questions.confirm("Is it connected, and no battery?")
    questions.check()


def _intention(bench: Bench, order: Order) -> str:
    """Say what will be done.

    Raises:
        Refused: there is nothing that could be.
    """
    if bench.source is None:
        count = USUAL_POINTS if order.points is None else order.points
        return (
            f"{count} points of {order.quantity} will be taken within "
            f"{_limits_text(order.limits)}; the output will be on."
        )
    try:
        steps = steps_of(order, bench.device.ratings, bench.source.ratings).set_points
    except Abandoned as error:
        raise Refused(str(error)) from error
    return (
        f"source: {_title(bench.source.identity)}\n"
        f"{len(steps)} points of {order.quantity.in_words} will be taken from {steps[0]:g} to "
        f"{steps[-1]:g} V; the source will be on with at most {order.source_current:g} A, the "
        "device stays off."
    )


def _order(
    bench: Bench,
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
    limits = _limits(arguments, questions) if bench.source is None else _range(arguments)
    questions.check()
    if arguments.firmware is not None and bench.definition.power.driver != EPC:
        raise Refused("--firmware is for the image of an EPC; leave it out for other devices")
    current = SOURCE_CURRENT_A if arguments.source_current is None else arguments.source_current
    if not LEAST_SOURCE_CURRENT_A <= current <= MOST_SOURCE_CURRENT_A:
        raise Refused(
            f"--source-current {current:g}: choose {LEAST_SOURCE_CURRENT_A:g} to "
            f"{MOST_SOURCE_CURRENT_A:g} A"
        )
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
            source_driver="" if bench.source_definition is None else bench.source_definition.driver,
            source_current=current,
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
    return limits | _said(arguments, "power", "temperature")


def _range(arguments: argparse.Namespace) -> dict[str, float]:
    """Get between which voltages a source is to step, as far as that was said.

    Raises:
        Refused: limits of a battery, which is not there.
    """
    for name in _said(arguments, "current", "power", "temperature"):
        raise Refused(
            f"--{name.replace('_', '-')} is of a battery, and with --source none is connected; "
            "leave it out"
        )
    return _said(arguments, "voltage")


def _said(arguments: argparse.Namespace, *quantities: str) -> dict[str, float]:
    names = [f"{quantity}_{side}" for quantity in quantities for side in ("min", "max")]
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


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
        f"{report.verdict}: {report.quantity.in_words} of {report.device}",
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

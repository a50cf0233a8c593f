"""The commands and their options. Each command imports what it needs when it runs, so that a
station never loads Django nor a node agent a web server.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from bem import __version__
from bem.cli.calibration_options import add_calibrate
from bem.runtime.log import set_up_logging
from bem.runtime.settings import ENVIRONMENT_VARIABLE, Settings, SettingsError, load_settings

EXIT_REFUSED = 2
"""Exit code for settings or input that cannot be used; another start would not help."""

ROLES = ("viewer", "operator", "supervisor", "admin")

_EXTRAS = {
    "station": "drivers",
    "drivers": "drivers",
    "devices": "node",
    "stations": "node",
    "stop-station": "drivers",
    "stop-all": "drivers",
    "pause": "node",
    "resume": "node",
    "lock": "node",
    "unlock": "node",
    "enable-stations": "node",
    "node": "node",
    "manager": "server",
    "web": "server",
    "broker": "demo",
    "migrate": "server",
    "user": "server",
    "demo": "demo",
    "simulate": "drivers",
    "calibrate": "drivers",
    "calibrations": "drivers",
}
"""What to install for each command."""

Action: TypeAlias = Callable[[Settings, argparse.Namespace], int]
ActionAlone: TypeAlias = Callable[[argparse.Namespace], int]
"""Of a command that needs no settings of this machine: it works where nothing is set up yet."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 well, 2 bad settings or input, else it failed."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except SettingsError as error:
        sys.stderr.write(f"bem: {error}\n")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("bem", "bem_drivers"):
            raise
        sys.stderr.write(
            f"bem: this machine lacks the Python package {error.name}: install "
            f"battery-experiments-manager[{_EXTRAS[arguments.command]}]\n"
        )
    return EXIT_REFUSED


def _run(arguments: argparse.Namespace) -> int:
    if "alone" in arguments:
        alone: ActionAlone = arguments.alone
        return alone(arguments)
    if arguments.config is not None:
        # Django reads the settings a second time, by itself.
        os.environ[ENVIRONMENT_VARIABLE] = str(arguments.config)
    settings = load_settings()
    set_up_logging(settings.logging)
    action: Action = arguments.action
    return action(settings, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bem",
        description="Battery Experiments Manager.",
        epilog=f"Settings come from --config, else the file in {ENVIRONMENT_VARIABLE}, "
        "else /etc/bem/bem.yaml.",
    )
    parser.add_argument("--version", action="version", version=f"bem {__version__}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings of this machine")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, action: Action, text: str, into: "argparse._SubParsersAction[_P]" = commands
    ) -> argparse.ArgumentParser:
        command = into.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        return command

    station = add("station", _station, "run one station: its devices, its experiment, its journal")
    station.add_argument("id", help="the station's id: the name of its file, without .yaml")
    station.add_argument(
        "--make-safe",
        action="store_true",
        help="only switch its output off and verify it, after its process has gone",
    )
    station.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="only say whether FILE could be its definition; touches no device",
    )
    text = "list the drivers of this machine"
    drivers = commands.add_parser("drivers", help=text, description=text)
    drivers.set_defaults(alone=_drivers)
    drivers.add_argument("--json", action="store_true", help="with the settings that they take")
    devices = add("devices", _devices, "look for the devices at the ports and buses of this node")
    devices.add_argument("--json", action="store_true", help="as a list for programs")
    devices.add_argument(
        "--watch",
        action="store_true",
        help="look every node.scan_s seconds and keep what was found for the agent",
    )
    stations = add("stations", _stations, "say how each station of this node is")
    stations.add_argument("--json", action="store_true", help="as a list for programs")
    _add_orders(add)
    add_calibrate(
        add(
            "calibrate",
            _calibrate,
            "compare voltage or current of a power device with a reference meter",
        )
    )
    calibrations = add(
        "calibrations",
        _calibrations,
        "list what was calibrated and when it is due; ends with 1 if something is overdue",
    )
    calibrations.add_argument("--json", action="store_true", help="as a list for programs")
    enable = add(
        "enable-stations",
        _enable_stations,
        "bring the units of the stations in line with their definitions (for systemd, as root)",
    )
    enable.add_argument(
        "--stamp", type=Path, metavar="FILE", help="file whose time says what was dealt with"
    )
    add("node", _node, "run the agent of this node")
    add("manager", _manager, "run the master-node manager")
    add("web", _web, "serve the web application")
    add("broker", _broker, "run the embedded MQTT broker (for one computer only)")
    migrate = add("migrate", _migrate, "bring the database's tables up to date")
    instead = migrate.add_mutually_exclusive_group()
    instead.add_argument(
        "--check",
        action="store_true",
        help="only compare: ends with 0 if nothing is to do, 3 if something is, 2 if the database "
        "is newer than this release, 1 if it does not answer",
    )
    instead.add_argument(
        "--list",
        action="store_true",
        help="only list this release's newest migrations, as a file for --to",
    )
    instead.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="go back or forward to what another release listed in FILE",
    )
    users = commands.add_parser("user", help="the people who may sign in")
    user_commands = users.add_subparsers(dest="user_command", required=True, metavar="COMMAND")
    user = add("add", _add_user, "let somebody sign in", user_commands)
    user.add_argument("name")
    user.add_argument("--role", choices=ROLES, required=True)
    user.add_argument(
        "--password-file", type=Path, metavar="FILE", help="file with the password; else it asks"
    )
    user.add_argument("--if-none", action="store_true", help="only if there is no account yet")
    _add_simulate(commands)
    _add_demo(commands)
    return parser


_P: TypeAlias = argparse.ArgumentParser


def _add_orders(add: Callable[[str, Action, str], argparse.ArgumentParser]) -> None:
    """Orders to the stations of this node, which need no server."""
    stop_all = add(
        "stop-all",
        _stop_all,
        "stop all stations and calibration checks of this node at once; ends with 0 only if all "
        "outputs are verified off",
    )
    stop_all.add_argument("--note", default="", metavar="TEXT", help="why")
    stop_all.add_argument(
        "--checks-only", action="store_true", help="only the calibration checks, no station"
    )
    for name, order, text in (
        ("stop-station", "stop", "stop a station; ends with 0 only if its output is verified off"),
        ("pause", "pause", "switch a station off, to go on later at the same point"),
        ("resume", "resume", "let a station go on, after the checks of a start"),
        ("lock", "lock", "let nothing start at a station while hands are in"),
        ("unlock", "unlock", "let a station start things again"),
    ):
        command = add(name, _order, text)
        command.add_argument("id", help="the station's id")
        command.add_argument("--note", default="", metavar="TEXT", help="why")
        command.set_defaults(order=order)


def _add_demo(commands: "argparse._SubParsersAction[_P]") -> None:
    text = "run a whole laboratory with simulated batteries on this computer"
    demo = commands.add_parser("demo", help=text, description=text)
    # It makes its own settings, before any process can read them.
    demo.set_defaults(alone=_demo)
    demo.add_argument(
        "--check",
        action="store_true",
        help="do the whole main job without a person, say what was measured, and end",
    )
    demo.add_argument(
        "--speed",
        type=float,
        metavar="N",
        help="let time pass N times as fast at every station "
        "(default: converters in real time, the virtual station 60 times)",
    )
    demo.add_argument("--port", type=int, metavar="N", help="port of the web pages (default 8869)")
    demo.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder to keep everything in (default .demo; with --check a temporary one)",
    )
    demo.add_argument(
        "--ledger",
        action="store_true",
        help="let the simulated converters write down what they were asked, in DIR/ledger",
    )


def _add_simulate(commands: "argparse._SubParsersAction[_P]") -> None:
    text = "simulate a bench of devices on pseudo-terminals, CAN or TCP around battery models"
    simulate = commands.add_parser("simulate", help=text, description=text)
    simulate.set_defaults(alone=_simulate)
    simulate.add_argument("bench", type=Path, metavar="BENCH.yaml", help="what is on the bench")
    simulate.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="where links, ledger and control socket go (default: where BENCH.yaml is)",
    )
    simulate.add_argument(
        "--check", action="store_true", help="only say whether BENCH.yaml can be; opens nothing"
    )


def _station(settings: Settings, arguments: argparse.Namespace) -> int:
    if arguments.check is not None:
        from bem.station.check import check

        return check(settings, arguments.id, arguments.check)
    from bem.station.main import make_safe, run

    return (make_safe if arguments.make_safe else run)(settings, arguments.id)


def _demo(arguments: argparse.Namespace) -> int:
    from bem.demo.command import run

    return run(arguments)


def _simulate(arguments: argparse.Namespace) -> int:
    from bem_drivers.simulation.process import simulate

    return simulate(arguments.bench, arguments.folder, check=arguments.check)


def _drivers(arguments: argparse.Namespace) -> int:
    from bem.station.check import list_drivers

    return list_drivers(as_json=arguments.json)


def _devices(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.devices import list_devices, watch_devices

    if arguments.watch:
        return watch_devices(settings)
    return list_devices(settings, as_json=arguments.json)


def _stations(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.stations import list_stations

    return list_stations(settings, as_json=arguments.json)


def _order(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.control import order

    return order(settings, arguments.id, arguments.order, arguments.note)


def _calibrate(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.calibrate import calibrate

    return calibrate(settings, arguments)


def _calibrations(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.calibrations import list_calibrations

    return list_calibrations(settings, as_json=arguments.json)


def _stop_all(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.control import end_checks, stop_all

    return end_checks(settings) if arguments.checks_only else stop_all(settings, arguments.note)


def _enable_stations(settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.stations import enable_stations

    return enable_stations(settings, arguments.stamp)


def _node(settings: Settings, _arguments: argparse.Namespace) -> int:
    from bem.node.main import run

    return run(settings)


def _manager(settings: Settings, _arguments: argparse.Namespace) -> int:
    from bem.manager.main import run

    return run(settings)


def _web(settings: Settings, _arguments: argparse.Namespace) -> int:
    from bem.web.server import run

    return run(settings)


def _broker(settings: Settings, _arguments: argparse.Namespace) -> int:
    from bem.demo.broker import run

    return run(settings)


def _migrate(_settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.records import migrate

    return migrate(check=arguments.check, show=arguments.list, to=arguments.to)


def _add_user(_settings: Settings, arguments: argparse.Namespace) -> int:
    from bem.cli.records import add_user

    return add_user(
        arguments.name, arguments.role, arguments.password_file, if_none=arguments.if_none
    )

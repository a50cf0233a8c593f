"""What the supervisor keeps running, in the order in which it starts and stops."""

import getpass
import os
import shlex
import sys
from configparser import RawConfigParser
from dataclasses import dataclass
from io import StringIO

from bem.demo.machine import EPC_DEVICE_ID, Bench
from bem.demo.places import Places

_LOG_BYTES = 10_000_000
_FOR_EVER = 1_000_000_000
# Groups start from the lowest and stop from the highest: stations switch off before the
# simulators of their devices go, and the server is there to hear of it.
_SERVER, _SIMULATORS, _NODE = 10, 20, 30


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its command and how long (s) it may take to stop before it is killed."""

    name: str
    command: tuple[str, ...]
    stop_within_s: int = 5


def supervisor_settings(places: Places, stations: tuple[Bench, ...], *, ledgers: bool) -> str:
    """Write supervisord's configuration."""
    simulated = [_simulator(places, bench, ledgers) for bench in stations if bench.driver == "epc"]
    groups = {
        "server": (_SERVER, [_bem("broker"), _bem("web"), _bem("manager")]),
        "simulators": (_SIMULATORS, simulated),
        # Its stations switch their outputs off and write down what they have.
        "node": (_NODE, [_node(places), _bem("devices", "--watch")]),
    }
    parser = RawConfigParser()
    parser["supervisord"] = {
        "logfile": str(places.log("supervisor").relative_to(places.data)),
        "logfile_maxbytes": str(_LOG_BYTES),
        "logfile_backups": "1",
        "pidfile": str(places.supervisor_pid),
        "childlogdir": str(places.logs.relative_to(places.data)),
        "silent": "true",
    }
    if os.getuid() == 0:
        parser["supervisord"]["user"] = getpass.getuser()
    parser["unix_http_server"] = {"file": str(places.supervisor_socket), "chmod": "0600"}
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for group, (priority, processes) in groups.items():
        names = ",".join(process.name for process in processes)
        parser[f"group:{group}"] = {"programs": names, "priority": str(priority)}
        for process in processes:
            parser[f"program:{process.name}"] = _program(places, process)
    for section in parser.sections():
        for key, value in parser[section].items():
            # supervisord expands %(...)s in values.
            parser[section][key] = value.replace("%", "%%")
    out = StringIO()
    parser.write(out)
    return out.getvalue()


def _program(places: Places, process: Process) -> dict[str, str]:
    return {
        "command": shlex.join(process.command),
        "autorestart": "true",
        "startsecs": "1",
        "startretries": str(_FOR_EVER),
        "stopwaitsecs": str(process.stop_within_s),
        "redirect_stderr": "true",
        # Relative to its working folder, the data: it expands %(...)s in this path twice.
        "stdout_logfile": str(places.log(process.name).relative_to(places.data)),
        "stdout_logfile_maxbytes": str(_LOG_BYTES),
        "stdout_logfile_backups": "1",
    }


def _bem(command: str, *options: str) -> Process:
    return Process(command, (sys.executable, "-m", "bem.cli", command, *options))


def _node(places: Places) -> Process:
    """The agent. It writes its log by itself: its stations share the log and outlive it, which
    they could not do with a pipe that the supervisor closes.
    """
    command = shlex.join([sys.executable, "-m", "bem.cli", "node"])
    log = shlex.quote(str(places.log("node")))
    return Process("node", ("/bin/sh", "-c", f"exec {command} >>{log} 2>&1"), stop_within_s=8)


def _simulator(places: Places, bench: Bench, ledgers: bool) -> Process:
    command = [sys.executable, "-m", "bem_drivers.epc.simulator_process"]
    command += ["--link", str(places.port(bench.id)), "--device-id", hex(EPC_DEVICE_ID)]
    command += ["--chemistry", bench.cell.chemistry, "--capacity", str(bench.cell.capacity)]
    command += ["--soc", "0.5", "--speed", str(bench.speed), "--noise", "0.5"]
    if ledgers:
        command += ["--ledger", str(places.ledger(bench.id))]
    return Process(f"simulator-{bench.id}", tuple(command))

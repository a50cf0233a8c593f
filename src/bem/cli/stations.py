"""The stations of this node for systemd and for people: ``bem enable-stations``, ``bem stations``.

Whoever writes a definition needs no right over units: ``bem enable-stations`` runs as root whenever
the folder of definitions changes, and brings the units in line with it.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from bem.runtime.local import (
    Activity,
    Description,
    Live,
    LocalRequest,
    LockDescription,
    StationClient,
    StationUnreachable,
)
from bem.runtime.settings import Settings, is_station_id

TIMEOUT_S = 3.0
"""A station that takes longer does not answer."""
PASSES = 10
"""So often at most the folder may change under our hands before the next call is left to it."""
TICK_S = 0.02
"""Changes of a folder within one tick of the kernel's clock, at most 10 ms, have the same time."""
LOOK_AGAIN = 0
"""Time of the stamp when something is left to do: 1970, which is before any change."""
_SYSTEMCTL = "/usr/bin/systemctl"
_WANTS = Path("/etc/systemd/system/bem-node.target.wants")
_PROPERTIES = ("ActiveState", "Result")
_UNIT = re.compile(r"bem-station@(?P<id>[a-z0-9-]+)\.service")


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of the unit of one station.

    ``enabled``: it starts with the node. ``active``: it runs, or is on its way up or down.
    ``skipped``: its last start was left out because there was no definition.
    """

    enabled: bool = False
    active: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, by station id. ``wait``: still running without a definition; look again."""

    start: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    wait: tuple[str, ...] = ()


def plan(defined: Iterable[str], units: Mapping[str, UnitState]) -> Plan:
    """Compare the definitions with the units.

    A station that a person has stopped stays stopped: only one that is new, or that was skipped for
    want of its definition, is started. A station whose definition has gone is not stopped from
    outside, since an experiment might begin at that very moment: it ends by itself when nothing
    runs on it, and its unit starts no more.
    """
    wanted = sorted(defined)
    none = UnitState()
    there = {station: units.get(station, none) for station in wanted}
    gone = sorted(units.keys() - there.keys())
    return Plan(
        start=tuple(
            station
            for station, unit in there.items()
            if not unit.active and (not unit.enabled or unit.skipped)
        ),
        enable=tuple(station for station, unit in there.items() if not unit.enabled),
        disable=tuple(station for station in gone if units[station].enabled),
        wait=tuple(station for station in gone if units[station].active),
    )


class Units(Protocol):
    """The service manager, as far as it concerns stations."""

    def states(self, stations: Iterable[str]) -> dict[str, UnitState]:
        """Get the states of these stations and of all that are enabled."""
        ...

    def start(self, stations: Sequence[str]) -> None:
        """Start without waiting for the end of it."""
        ...

    def enable(self, stations: Sequence[str]) -> None:
        """Have them start with the node."""
        ...

    def disable(self, stations: Sequence[str]) -> None:
        """Have them start with the node no more; what runs goes on."""
        ...


class UnitError(Exception):
    """systemd refused. The message says what."""


@dataclass(slots=True)
class Systemd:
    """systemd itself, by its own command. ``wants`` is where enabled stations are linked."""

    wants: Path = field(default=_WANTS)

    def states(self, stations: Iterable[str]) -> dict[str, UnitState]:
        """Get the states of these stations and of all that are enabled.

        Raises:
            UnitError: systemd does not answer.
        """
        enabled = {found["id"] for link in self._links() if (found := _UNIT.fullmatch(link))}
        names = sorted(enabled.union(stations))
        if not names:
            return {}
        shown = _systemctl("show", f"--property={','.join(_PROPERTIES)}", names)
        blocks = [_properties(block) for block in shown.strip("\n").split("\n\n")]
        return {
            name: UnitState(
                enabled=name in enabled,
                active=block.get("ActiveState") not in ("inactive", "failed"),
                skipped=block.get("Result") == "exec-condition",
            )
            for name, block in zip(names, blocks, strict=True)
        }

    def start(self, stations: Sequence[str]) -> None:
        """Start without waiting for the end of it."""
        _systemctl("start", "--no-block", stations)

    def enable(self, stations: Sequence[str]) -> None:
        """Have them start with the node."""
        _systemctl("enable", "--quiet", stations)

    def disable(self, stations: Sequence[str]) -> None:
        """Have them start with the node no more; what runs goes on."""
        _systemctl("disable", "--quiet", stations)

    def _links(self) -> list[str]:
        try:
            return [path.name for path in self.wants.iterdir()]
        except FileNotFoundError:
            return []


def enable_stations(settings: Settings, stamp: Path | None, units: Units | None = None) -> int:
    """Bring the units of the stations in line with the definitions, and say what was done.

    ``stamp`` is a file whose time tells which state of the folder has been dealt with: it becomes
    the folder's own, or 1970 while something is left to do. Whoever compares the two sees whether
    to call again, however the changes and the calls overlap.

    Returns:
        The exit code: 0, or 1 if systemd refused something; then the next call tries again.
    """
    units = units or Systemd()
    for _ in range(PASSES):
        try:
            dealt_with_ns = _bring_in_line(settings.station_files, units)
            again = dealt_with_ns != settings.station_files.stat().st_mtime_ns
        except OSError as error:
            sys.stderr.write(f"bem: cannot read {error.filename}: {error.strerror}\n")
            return 1
        except UnitError as error:
            sys.stderr.write(f"bem: {error}\n")
            _mark(stamp, LOOK_AGAIN)
            return 1
        _mark(stamp, dealt_with_ns)
        if dealt_with_ns == LOOK_AGAIN or not again:
            break
    return 0


def _bring_in_line(folder: Path, units: Units) -> int:
    """Do what is to do now, and give the time (ns) of the state of ``folder`` that was dealt with.

    Raises:
        OSError: the folder cannot be read.
        UnitError: systemd refused something.
    """
    seen_ns = folder.stat().st_mtime_ns
    if abs(time.time_ns() - seen_ns) < TICK_S * 1e9:
        # What changes in this very tick would leave the same time; after it no change can.
        time.sleep(TICK_S)
    defined = station_ids(folder)
    todo = plan(defined, units.states(defined))
    _carry_out(todo, units)
    return LOOK_AGAIN if todo.wait else seen_ns


def station_ids(folder: Path) -> list[str]:
    """List the stations that have a definition in a folder; other files are none of ours.

    Raises:
        OSError: the folder cannot be read.
    """
    names = [path.stem for path in folder.iterdir() if path.suffix == ".yaml"]
    return sorted(name for name in names if is_station_id(name))


class StationLine(BaseModel):
    """How one station is, for ``bem stations``. Without an answer ``state`` is ``down``."""

    model_config = ConfigDict(frozen=True)

    id: str
    answers: bool
    state: str
    experiment: UUID | None = None
    output_on: bool | None = None
    reason: str = ""
    activity: Activity | None = None
    waits_for: str = ""
    lock: LockDescription | None = None
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        output = {True: "on", False: "off", None: "unknown"}[self.output_on]
        experiment = "" if self.experiment is None else str(self.experiment)
        doing = self.activity or "-"
        row = f"{self.id:<20} {self.state:<8} {doing:<8} {output:<8} {experiment:<36} {self._why}"
        return row.rstrip()

    @property
    def _why(self) -> str:
        """All that a person should know of it."""
        lock = self.lock
        locked = "" if lock is None else f"locked by {lock.by} since {lock.at}: {lock.note}"
        waits = f"waits: {self.waits_for}" if self.waits_for else ""
        return "; ".join(part for part in (self.reason, waits, locked, *self.warnings) if part)


def list_stations(settings: Settings, *, as_json: bool) -> int:
    """Ask every station of this node how it is, and write a line of each.

    Returns:
        The exit code: 0 if all answered, 1 if one did not or the definitions cannot be read.
    """
    try:
        names = station_ids(settings.station_files)
    except FileNotFoundError:
        names = []
    except OSError as error:
        sys.stderr.write(f"bem: cannot read {settings.station_files}: {error.strerror}\n")
        return 1
    lines = [ask(name, settings.station_socket(name)) for name in names]
    if as_json:
        sys.stdout.write(json.dumps([line.model_dump(mode="json") for line in lines]) + "\n")
    else:
        head = f"{'station':<20} {'state':<8} {'doing':<8} {'output':<8} {'experiment':<36} reason"
        sys.stdout.write("\n".join([head, *map(str, lines)]) + "\n")
    return 0 if all(line.answers for line in lines) else 1


def ask(station: str, socket: Path) -> StationLine:
    """Ask one station how it is."""
    client = StationClient(socket, TIMEOUT_S)
    try:
        description = Description.model_validate(client.read(LocalRequest(request="describe")))
        live = Live.model_validate(client.read(LocalRequest(request="live")))
    except (StationUnreachable, ValidationError) as error:
        return StationLine(id=station, answers=False, state="down", reason=str(error))
    finally:
        client.close()
    return StationLine(
        id=station,
        answers=True,
        state=description.state,
        experiment=description.experiment,
        output_on=live.output_on,
        reason=description.reason,
        activity=description.activity,
        waits_for=description.waits_for,
        lock=description.lock,
        warnings=description.warnings,
    )


def _carry_out(todo: Plan, units: Units) -> None:
    # Started first: a call that is cut off in between is made good by the next one, which finds the
    # unit not enabled yet.
    for stations, act, done in (
        (todo.start, units.start, "started"),
        (todo.enable, units.enable, "enabled"),
        (todo.disable, units.disable, "disabled: its definition was removed"),
    ):
        if stations:
            act(stations)
        for station in stations:
            sys.stdout.write(f"station {station} {done}\n")
    for station in todo.wait:
        sys.stdout.write(f"station {station} has no definition any more; it ends when idle\n")


def _systemctl(action: str, option: str, stations: Sequence[str]) -> str:
    command = [_SYSTEMCTL, action, option, *(f"bem-station@{one}.service" for one in stations)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ids are checked, none is an option
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnitError(f"systemctl {action}: {error}") from error
    if done.returncode != 0:
        raise UnitError(f"systemctl {action}: {done.stderr.strip()}")
    return done.stdout


def _properties(block: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in block.splitlines())


def _mark(stamp: Path | None, at_ns: int) -> None:
    if stamp is None:
        return
    stamp.touch(mode=0o644)
    os.utime(stamp, ns=(at_ns, at_ns))

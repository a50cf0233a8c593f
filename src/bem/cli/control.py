"""Orders from the node itself, without a server: ``bem stop-all``, ``bem lock`` and the like.

They go to the stations' own sockets, to all at once; a calibration check, which is a process of its
own, is interrupted. Whoever is at the bench in an emergency wants to know one thing: is the output
off? So the exit code of whatever ends in output off says whether all have verified that it is.
"""

import getpass
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import uuid4

from pydantic import ValidationError

from bem.cli.checks import Check, running_checks
from bem.cli.stations import station_ids
from bem.runtime.local import Live, LocalReply, LocalRequest, StationClient, StationUnreachable
from bem.runtime.lock import signer
from bem.runtime.settings import Settings

Action = Literal["stop", "pause", "resume", "lock", "unlock"]
ORDER_TIMEOUT_S = 15.0
"""A resume reads the device's limits back before it is answered."""
OFF_TIMEOUT_S = 3.0
"""So long after a stop the next reading may take to show that the output is off."""
_LOOK_EVERY_S = 0.05
_ENDS_OFF = ("stop", "pause")
EXIT_DONE = 0
EXIT_NOT_DONE = 1
"""Refused, or an output that is not verified off."""
EXIT_UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an order for one. ``ok``: carried out, and off where it shall be."""

    whose: str
    ok: bool
    text: str

    def __str__(self) -> str:
        return f"{self.whose}: {self.text}"


def order(settings: Settings, station: str, action: Action, note: str) -> int:
    """Have one station do something, and say what came of it; returns the exit code."""
    known = _stations(settings)
    if station not in known:
        there = ", ".join(known) or "none"
        sys.stderr.write(f"bem: no station {station!r} on this node; there are: {there}\n")
        return EXIT_UNKNOWN
    return _tell([_carry_out(settings, station, action, note)])


def stop_all(settings: Settings, note: str) -> int:
    """Stop every station and every check of this node at once.

    Returns:
        The exit code: 0 if all outputs are verified off.
    """
    stations = _stations(settings)
    of_stations = {_holder(settings, station) for station in stations}
    others = [check for check in running_checks(settings) if check.pid not in of_stations]
    if not stations and not others:
        sys.stdout.write("no station on this node\n")
        return EXIT_DONE
    stop = partial(_carry_out, settings, action="stop", note=note)
    with ThreadPoolExecutor(max_workers=len(stations) + len(others)) as pool:
        ending = [pool.submit(_end_check, check) for check in others]
        stopped = list(pool.map(stop, stations))
        ended = [one.result() for one in ending]
    if ended:
        # A check may have had the device of a station whose own process is down.
        stopped = [
            one if one.ok else stop(station) for station, one in zip(stations, stopped, strict=True)
        ]
    return _tell([*stopped, *ended])


def end_checks(settings: Settings) -> int:
    """End every calibration check of this node, and no station.

    Returns:
        The exit code: 0 if nothing was left on.
    """
    checks = running_checks(settings)
    if not checks:
        sys.stdout.write("no calibration check runs on this node\n")
        return EXIT_DONE
    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        return _tell(list(pool.map(_end_check, checks)))


def _tell(done: Sequence[Done]) -> int:
    for one in done:
        (sys.stdout if one.ok else sys.stderr).write(f"{one}\n")
    return EXIT_DONE if all(one.ok for one in done) else EXIT_NOT_DONE


def _stations(settings: Settings) -> list[str]:
    try:
        return station_ids(settings.station_files)
    except OSError:
        return []


def _holder(settings: Settings, station: str) -> int | None:
    """Get the process that has a station to itself: its own, or a check."""
    return signer(settings.station_folder(station) / "lock")


def _at(station: str, *, ok: bool, text: str) -> Done:
    return Done(f"station {station}", ok, text)


def _end_check(check: Check) -> Done:
    why_not = check.end()
    off = f"OUTPUTS NOT VERIFIED OFF ({why_not})" if why_not else "nothing was left on"
    return Done(f"calibration check, process {check.pid}", not why_not, f"interrupted; {off}")


def _end_check_at(settings: Settings, station: str, check: Check) -> Done:
    """End the check that has a station, then see for ourselves that the station's device is off."""
    ended = _end_check(check)
    off = _switch_off(settings, station, str(ended))
    return _at(station, ok=ended.ok and off.ok, text=f"{ended}; {off.text}")


def _carry_out(settings: Settings, station: str, action: Action, note: str) -> Done:
    if action == "stop":
        holder = _holder(settings, station)
        for check in running_checks(settings):
            if check.pid == holder:
                return _end_check_at(settings, station, check)
    client = StationClient(settings.station_socket(station), ORDER_TIMEOUT_S)
    try:
        return _ask(client, station, action, note)
    except StationUnreachable as error:
        if action == "stop":
            return _switch_off(settings, station, str(error))
        return _at(station, ok=False, text=f"does not answer: {error}")
    finally:
        client.close()


def _ask(client: StationClient, station: str, action: Action, note: str) -> Done:
    arguments = {"by": f"{getpass.getuser()} on the node", "note": note}
    live = _live(client)
    if action in ("stop", "pause", "resume"):
        if live.experiment is None:
            if action == "stop":
                return _verified(client, station, "nothing runs")
            return _at(station, ok=False, text=f"nothing runs that could {action}")
        arguments["experiment"] = str(live.experiment)
    reply: LocalReply = client.ask(
        LocalRequest(request="command", id=uuid4(), action=action, arguments=arguments)
    )
    if not reply.ok and action == "stop" and _live(client).experiment is None:
        return _verified(client, station, "nothing runs any more")
    if not reply.ok:
        return _at(station, ok=False, text=f"refused to {action}: {reply.reason}")
    if action not in _ENDS_OFF:
        return _at(station, ok=True, text=f"{action} done")
    return _verified(client, station, f"{action} done")


def _verified(client: StationClient, station: str, text: str) -> Done:
    """Look until a reading shows the output off."""
    until = time.monotonic() + OFF_TIMEOUT_S
    live = _live(client)
    while live.output_on is not False and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        live = _live(client)
    if live.output_on is False:
        return _at(station, ok=True, text=f"{text}; output verified off")
    return _at(station, ok=False, text=f"{text}; OUTPUT NOT VERIFIED OFF ({live.state})")


def _live(client: StationClient) -> Live:
    try:
        return Live.model_validate(client.read(LocalRequest(request="live")))
    except ValidationError as error:
        raise StationUnreachable(f"it answers nonsense: {error}") from error


def _switch_off(settings: Settings, station: str, reason: str) -> Done:
    """Switch off a station whose process does not answer, unless that process still has it."""
    from bem.station.main import switch_off

    result = switch_off(settings, station)
    if result == "off":
        return _at(station, ok=True, text="its process is down; output verified off")
    why = "its process hangs" if result == "busy" else "its process is down"
    return _at(station, ok=False, text=f"{why}; OUTPUT NOT VERIFIED OFF ({reason})")

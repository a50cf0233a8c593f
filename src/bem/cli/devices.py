"""The devices of this node, for people and for the agent: ``bem devices``.

What no station has is searched for; a station that runs is asked for its own, which nobody else
touches.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bem.cli.device_news import DeviceNews
from bem.cli.instruments import instruments_of
from bem.messages import MAX_DEVICES, DeviceReport
from bem.runtime.local import Description, LocalRequest, StationClient, StationUnreachable
from bem.runtime.log import Condition
from bem.runtime.settings import Settings
from bem.station.claims import Claim, claims, user_of
from bem_drivers.can import CanSettings
from bem_drivers.finding import (
    Found,
    InUse,
    Seen,
    Unknown,
    address_of,
    can_interfaces,
    installed_drivers,
    port_of,
    same_place,
    scan,
    serial_ports,
)
from bem_drivers.line import TcpSettings
from bem_drivers.registry import DriverSpec, has_power_path

_LOGGER = logging.getLogger(__name__)
STATION_TIMEOUT_S = 2.0
"""A station that takes longer does not answer; its device is told without a name."""
_REPORTS: TypeAdapter[list[DeviceReport]] = TypeAdapter(list[DeviceReport])
_HEAD = f"{'place':<44} {'state':<9} {'driver':<9} device"


def list_devices(settings: Settings, *, as_json: bool) -> int:
    """Search once, and write a line for each device; returns the exit code."""
    began = time.monotonic()
    reports = devices_of(settings, installed_drivers(), _descriptions())
    if as_json:
        sys.stdout.write(_as_json(reports) + "\n")
        return 0
    lines = [_HEAD, *(_line(one) for one in reports)]
    sys.stdout.write("\n".join(lines) + f"\n{len(reports)} in {time.monotonic() - began:.1f} s\n")
    return 0


def watch_devices(settings: Settings) -> int:
    """Search every ``node.scan_s`` seconds until SIGTERM or SIGINT, SIGHUP has it search at once.

    What was found goes to the file ``devices.json`` in ``runtime_dir``, whose time tells when; what
    came and went since the search before is logged.
    """
    stopping, soon = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        soon.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda *_: soon.set())
    specs = installed_drivers()
    trouble = Condition(_LOGGER, "what devices there are cannot be told")
    descriptions, news = _descriptions(), DeviceNews()
    while not stopping.is_set():
        if settings.node.scan_s > 0:
            soon.clear()
            reports = devices_of(settings, specs, descriptions)
            news.tell(reports)
            try:
                _keep(settings.found_devices, _as_json(reports))
            except OSError as error:
                trouble.begin(error)
            else:
                trouble.end()
        soon.wait(settings.node.scan_s or None)
    # It leaves nothing behind that looks like news.
    settings.found_devices.unlink(missing_ok=True)
    return 0


def devices_of(
    settings: Settings, specs: Sequence[DriverSpec], descriptions: Condition
) -> list[DeviceReport]:
    """Search, and put together what was found with what the stations have.

    ``descriptions`` tells of those of instruments that cannot be used.
    """
    claimed = claims(settings)
    described = instruments_of(settings, claimed, descriptions)
    running = sorted({claim.station for claim in claimed if claim.runs})
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="ask station") as pool:
        asked = {one: pool.submit(_describe, settings.station_socket(one)) for one in running}
        ports, buses = _places_to_search(settings, claimed)
        seen = scan(
            specs,
            ports,
            buses,
            user_of(settings),
            addresses=_addresses(settings, claimed),
            described=described,
        )
        said = {station: _answer(future) for station, future in asked.items()}
    names = {same_place(f"serial {port}"): f"serial {port}" for port in ports}
    return put_together(claimed, said, seen, names)


def put_together(
    claimed: Iterable[Claim],
    said: Mapping[str, Description | None],
    seen: Iterable[Seen],
    names: Mapping[str, str],
) -> list[DeviceReport]:
    """Make one report for each device, sorted by place.

    ``said``: what each running station says; one that lost its device has none. ``names``: what to
    call a place, by what all of its names have in common.
    """
    by_place = {same_place(claim.place): claim for claim in claimed}
    used = {place: claim for place, claim in by_place.items() if claim.runs}
    ports = {same_place(f"serial {port}") for place in used if (port := port_of(place))}
    reports: dict[str, DeviceReport] = {}
    for one in seen:
        place = same_place(one.place)
        port = port_of(place)
        if place in used or (isinstance(one, InUse) and port and f"serial {port}" in ports):
            # Its station knows better.
            continue
        reports.setdefault(place, _report(one, by_place.get(place)))
    for place, claim in used.items():
        description = said.get(claim.station)
        lost = description is not None and description.state == "lost" and claim.is_power
        if not lost:
            device = description.device if description is not None and claim.is_power else ""
            reports[place] = DeviceReport(
                place=_cut(names.get(place, claim.place), 200),
                state="used",
                driver=claim.driver,
                settings=_sendable(claim.settings),
                power=_has_power_path(claim.driver, claim.settings),
                title=_cut(device, 200),
                station=claim.station,
            )
    return sorted(reports.values(), key=lambda one: one.place)[:MAX_DEVICES]


def _report(one: Seen, claim: Claim | None) -> DeviceReport:
    station = None if claim is None else claim.station
    place = _cut(one.place, 200)
    match one:
        case Found():
            identity = one.identity
            return DeviceReport(
                place=place,
                state="free" if station is None else "reserved",
                driver=one.driver,
                settings=_sendable(one.settings),
                power=_has_power_path(one.driver, one.settings),
                make=_cut(identity.make, 100),
                model=_cut(identity.model, 100),
                serial=_cut(identity.serial, 100),
                firmware=_cut(identity.firmware, 100),
                station=station,
                answered=one.answered,
            )
        case InUse():
            return DeviceReport(place=place, state="used", station=station, by=_cut(one.by, 200))
        case Unknown():
            return DeviceReport(
                place=place,
                state="unknown",
                station=station,
                answered=one.answered,
                trouble=_cut(one.trouble, 500),
            )


def _places_to_search(
    settings: Settings, claimed: Iterable[Claim]
) -> tuple[list[str], list[CanSettings]]:
    """Get the serial ports and the buses, also those that only definitions name."""
    places = [claim.place for claim in claimed]
    adapters = [port for one in places if one.startswith("slcan:") and (port := port_of(one))]
    lines = [port for one in places if one.startswith("serial ") and (port := port_of(one))]
    slcan = {os.path.realpath(port): port for port in (*adapters, *settings.node.slcan_ports)}
    ports = serial_ports((*lines, *settings.node.extra_ports), without=slcan.values())
    buses = [CanSettings(interface="socketcan", channel=name) for name in can_interfaces()]
    buses += [
        CanSettings(interface="slcan", channel=port)
        for device, port in slcan.items()
        if Path(device).exists()
    ]
    return ports, buses


def _addresses(settings: Settings, claimed: Iterable[Claim]) -> list[TcpSettings]:
    """Get the addresses that the settings or the definitions of stations name, and no others."""
    places = [claim.place for claim in claimed]
    places += [f"tcp {one}" for one in settings.node.tcp_addresses]
    return [one for place in dict.fromkeys(places) if (one := address_of(place)) is not None]


def _has_power_path(driver: str, settings: Mapping[str, object]) -> bool | None:
    try:
        return has_power_path(driver, settings)
    except Exception as error:  # noqa: BLE001 - whatever a driver of another package does
        _LOGGER.debug("whether %s has a power path cannot be told: %s", driver, error)
        return None


def _descriptions() -> Condition:
    return Condition(_LOGGER, "some instruments are not recognised by their descriptions")


def _describe(socket: Path) -> Description:
    client = StationClient(socket, STATION_TIMEOUT_S)
    try:
        return Description.model_validate(client.read(LocalRequest(request="describe")))
    finally:
        client.close()


def _answer(future: "Future[Description]") -> Description | None:
    try:
        return future.result()
    except (StationUnreachable, ValidationError):
        return None


def _sendable(settings: Mapping[str, object]) -> dict[str, object]:
    """Leave out what a message cannot carry: the device is told all the same."""
    try:
        DeviceReport(place="-", state="free", settings=dict(settings))
        json.dumps(settings)
    except (ValidationError, TypeError, ValueError):
        return {}
    return dict(settings)


def _cut(text: str, longest: int) -> str:
    return text[:longest]


def _as_json(reports: list[DeviceReport]) -> str:
    return _REPORTS.dump_json(reports).decode()


def _keep(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    interim = path.with_name(f".{path.name}.new")
    interim.write_text(text, encoding="utf-8")
    interim.replace(path)


def _line(report: DeviceReport) -> str:
    return f"{report.place:<44} {report.state:<9} {report.driver:<9} {_who(report)}".rstrip()


def _who(report: DeviceReport) -> str:
    name = report.title or " ".join(part for part in (report.make, report.model) if part)
    facts = [
        name,
        f"serial number {report.serial}" if report.serial else "",
        f"firmware {report.firmware}" if report.firmware else "",
        f"station {report.station}" if report.station else "",
        f"in use by {report.by}" if report.by else "",
    ]
    if report.state == "unknown":
        facts.append(f"answers {report.answered}" if report.answered else "does not answer")
        facts.append(report.trouble)
    return ", ".join(fact for fact in facts if fact)

"""Search all ports, addresses and buses side by side, within a time that holds whatever hangs."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bem_drivers.base import DeviceError, DeviceNotFound, SystemClock
from bem_drivers.can import CanSettings, FrameLink
from bem_drivers.finding.buses import Listening, UserOf, bus_name, search_bus
from bem_drivers.finding.found import InUse, Seen, Unknown
from bem_drivers.finding.lines import Asking, ProbeLink, first_settings, search_port, search_tcp
from bem_drivers.finding.probe import CanProbe, LineProbe
from bem_drivers.line import LineLink, SerialSettings, TcpSettings
from bem_drivers.line.holder import connection_holder, is_pseudo_terminal, port_holder
from bem_drivers.registry import DriverSpec, driver, driver_names

logger = logging.getLogger(__name__)
TIMEOUT_S = 5.0
_ALL_FRAMES = ((0, 0),)


def installed_drivers() -> list[DriverSpec]:
    """Get all drivers that can be loaded; a broken one of another package hides none."""
    specs = []
    for name in driver_names():
        try:
            specs.append(driver(name))
        except Exception as error:  # noqa: BLE001 - whatever a package does when it is imported
            logger.warning("driver %s cannot be used: %s", name, error)
    return specs


def scan(
    specs: Iterable[DriverSpec],
    ports: Sequence[str],
    buses: Sequence[CanSettings],
    user: UserOf = lambda _place: None,
    timeout_s: float = TIMEOUT_S,
    *,
    addresses: Sequence[TcpSettings] = (),
    described: Sequence[Asking] = (),
) -> list[Seen]:
    """Find the devices at these serial ports, CAN buses and addresses, within ``timeout_s`` (s).

    ``user(place)`` tells who uses a place, by its name in the driver; it is asked immediately
    before anything is sent there, from several threads. A port that another process has taken is
    not touched, nor is an address to which this machine is connected. ``described``: instruments
    that no driver knows by itself. Whatever does not end in time is told as such and left to
    itself.
    """
    askings: list[Asking] = []
    listenings: list[Listening] = []
    for spec in specs:
        probe = spec.probe() if spec.probe is not None else None
        if isinstance(probe, LineProbe):
            askings.append(Asking(spec, probe))
        elif isinstance(probe, CanProbe):
            listenings.append(Listening(spec, probe))
    askings += described
    # Read before time counts: on a small computer they take seconds.
    from bem_drivers.can.link import CanLink
    from bem_drivers.line.serial_line import SerialLine
    from bem_drivers.line.tcp_line import TcpLine

    until_ns = time.monotonic_ns() + round(timeout_s * 1e9)
    work: dict[str, Callable[[], list[Seen]]] = {}
    for port in ports if askings else ():
        work[f"serial {port}"] = _port_work(port, askings, SerialLine, user, until_ns)
    for address in addresses if askings else ():
        work[address.name] = _address_work(address, askings, TcpLine, user, until_ns)
    for bus in buses if listenings else ():
        work[bus_name(bus)] = _bus_work(bus, listenings, CanLink, user)
    return _side_by_side(work, until_ns, timeout_s)


def _port_work(
    port: str,
    askings: Sequence[Asking],
    line: Callable[[SerialSettings], ProbeLink],
    user: UserOf,
    until_ns: int,
) -> Callable[[], list[Seen]]:
    def search() -> list[Seen]:
        settings = first_settings(port, askings)
        by = user(settings.name) or _holder(port)
        if by is not None:
            return [InUse(settings.name, by)]
        try:
            return [search_port(port, askings, line(settings), SystemClock(), until_ns)]
        except DeviceNotFound as error:
            return [_closed(settings.name, port, error)]

    return search


def _address_work(
    address: TcpSettings,
    askings: Sequence[Asking],
    line: Callable[[TcpSettings], LineLink],
    user: UserOf,
    until_ns: int,
) -> Callable[[], list[Seen]]:
    def search() -> list[Seen]:
        by = user(address.name) or connection_holder(address.host, address.port)
        if by is not None:
            return [InUse(address.name, by)]
        try:
            return [search_tcp(address, askings, line(address), SystemClock(), until_ns)]
        except DeviceNotFound as error:
            return [Unknown(address.name, trouble=str(error))]

    return search


def _bus_work(
    bus: CanSettings,
    listenings: Sequence[Listening],
    link: Callable[[CanSettings, Sequence[tuple[int, int]]], FrameLink],
    user: UserOf,
) -> Callable[[], list[Seen]]:
    def search() -> list[Seen]:
        name = bus_name(bus)
        port = bus.channel.partition("@")[0] if bus.interface == "slcan" else None
        by = user(name) or (None if port is None else _holder(port))
        if by is not None:
            return [InUse(name, by)]
        try:
            return search_bus(bus, listenings, link(bus, _ALL_FRAMES), SystemClock(), user)
        except DeviceNotFound as error:
            return [_closed(name, port, error)]

    return search


def _holder(port: str) -> str | None:
    """Get who has a port, before it is opened: that alone would restart some devices.

    A simulator holds the far end of its own pseudo-terminal; who uses one shows on opening it.
    """
    try:
        status = Path(port).stat()
    except OSError:
        return None
    return None if is_pseudo_terminal(status) else port_holder(port)


def _closed(place: str, port: str | None, error: DeviceNotFound) -> InUse | Unknown:
    by = None if port is None else port_holder(port)
    return Unknown(place, trouble=str(error)) if by is None else InUse(place, by)


def _side_by_side(
    work: dict[str, Callable[[], list[Seen]]], until_ns: int, timeout_s: float
) -> list[Seen]:
    done: queue.Queue[tuple[str, list[Seen]]] = queue.Queue()

    def do(place: str, search: Callable[[], list[Seen]]) -> None:
        try:
            seen = search()
        except (DeviceError, OSError, ValueError) as error:
            seen = [Unknown(place, trouble=str(error))]
        except Exception as error:
            logger.exception("the search at %s failed", place)
            seen = [Unknown(place, trouble=f"the search failed: {error}")]
        done.put((place, seen))

    for place, search in work.items():
        # A thread that hangs in a port keeps no process alive.
        threading.Thread(
            target=do, args=(place, search), name=f"search {place}", daemon=True
        ).start()
    waiting = set(work)
    results: list[Seen] = []
    while waiting:
        left_s = (until_ns - time.monotonic_ns()) / 1e9
        try:
            place, seen = done.get(timeout=max(left_s, 0.0))
        except queue.Empty:
            break
        waiting.discard(place)
        results += seen
    results += [Unknown(one, trouble=f"no end of it within {timeout_s:g} s") for one in waiting]
    return sorted(_once(results), key=lambda one: one.place)


def _once(results: Iterable[Seen]) -> list[Seen]:
    """Name a place in use once: on a bus with one owner each question leads to the same."""
    named: set[str] = set()
    kept: list[Seen] = []
    for one in results:
        if isinstance(one, InUse):
            if one.place in named:
                continue
            named.add(one.place)
        kept.append(one)
    return kept

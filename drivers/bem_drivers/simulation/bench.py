"""What a bench of simulated devices is described by: batteries, buses, devices.

See ``docs/devices/bench.md``. Every name is of one thing only, as orders are given by name.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bem_drivers.model import BatteryModelSettings
from bem_drivers.registry import driver
from bem_drivers.simulation.can_bus import BITRATE
from bem_drivers.simulation.spec import SimulatorSpec

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]


class BenchError(Exception):
    """A bench that cannot be. Each line names path, value and remedy."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BenchBattery(BatteryModelSettings):
    """A battery and how fast its time passes."""

    speed: float = Field(default=1.0, gt=0, le=100_000, description="its time per real time")
    connected: bool = Field(default=True, description="false: its place is there, without it")


class PtyPort(_Part):
    """A serial port: a pseudo-terminal reachable by a symbolic link."""

    kind: Literal["pty"] = "pty"
    link: Path = Field(description="made while the bench runs; relative to the bench's folder")


class TcpPort(_Part):
    """A server for one connection at a time."""

    kind: Literal["tcp"] = "tcp"
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)


class _Bus(_Part):
    bitrate: int = Field(
        default=BITRATE, ge=10_000, le=1_000_000, description="bit/s, one frame at a time"
    )


class SlcanBus(_Bus):
    """A CAN adapter that speaks SLCAN, with all devices of the bus behind it."""

    kind: Literal["slcan"] = "slcan"
    link: Path = Field(description="made while the bench runs; relative to the bench's folder")


class SocketCanBus(_Bus):
    """A CAN interface of the kernel, which must be up before the bench starts."""

    kind: Literal["socketcan"] = "socketcan"
    channel: str = Field(default="vcan0", min_length=1)


class BenchDevice(_Part):
    """One simulated device.

    ``settings`` are those of its simulator. A device with several outputs has a battery for each,
    in their order.
    """

    driver: str
    bus: Name | None = Field(default=None, description="for a device on CAN: the bus it is on")
    port: Annotated[PtyPort | TcpPort, Field(discriminator="kind")] | None = Field(
        default=None, description="for any other device: the port it has for itself"
    )
    batteries: tuple[Name, ...] = ()
    settings: dict[str, Any] = {}


class BenchSettings(_Part):
    """A whole bench. ``ledger`` and ``control`` are relative to its folder."""

    batteries: dict[Name, BenchBattery] = {}
    buses: dict[Name, Annotated[SlcanBus | SocketCanBus, Field(discriminator="kind")]] = {}
    devices: dict[Name, BenchDevice] = Field(min_length=1)
    ledger: Path | None = Field(default=None, description="file for what truly happens")
    control: Path | None = Field(default=None, description="socket that takes orders")


class Bench(_Part):
    """A bench whose parts fit together: each device with its simulator and checked settings."""

    settings: BenchSettings
    simulators: Mapping[str, tuple[SimulatorSpec, BaseModel]]

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


def load_bench(path: Path) -> Bench:
    """Read a bench from a YAML file.

    Raises:
        BenchError: it cannot be read, or what it describes cannot be.
    """
    try:
        described = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BenchError(f"{path} cannot be read: {error}") from error
    try:
        return make_bench(described)
    except BenchError as error:
        raise BenchError(f"{path}:\n{error}") from error


def make_bench(described: object) -> Bench:
    """Check a description, driver by driver.

    Raises:
        BenchError: what it describes cannot be; all errors at once.
    """
    if isinstance(described, dict):
        described = described | {"devices": _one_battery(described.get("devices"))}
    try:
        settings = BenchSettings.model_validate(described)
    except ValidationError as error:
        raise BenchError("\n".join(_lines(error, ()))) from error
    errors = list(_clashes(settings))
    simulators: dict[str, tuple[SimulatorSpec, BaseModel]] = {}
    for name, device in settings.devices.items():
        path = ("devices", name)
        try:
            spec = _simulator(device.driver)
        except LookupError as error:
            errors.append(f"devices.{name}.driver: {error}")
            continue
        errors += _misplaced(settings, name, device, spec)
        try:
            simulators[name] = spec, spec.settings.model_validate(device.settings)
        except ValidationError as error:
            errors += _lines(error, (*path, "settings"))
    if errors:
        raise BenchError("\n".join(errors))
    return Bench(settings=settings, simulators=simulators)


def _one_battery(devices: object) -> object:
    """Let ``battery: NAME`` stand for ``batteries: [NAME]``."""
    if not isinstance(devices, dict):
        return devices
    return {
        name: {key: value for key, value in device.items() if key != "battery"}
        | {"batteries": [device["battery"]]}
        if isinstance(device, dict) and "battery" in device and "batteries" not in device
        else device
        for name, device in devices.items()
    }


def _simulator(name: str) -> SimulatorSpec:
    spec = driver(name)
    if spec.simulate is None:
        raise LookupError(f"driver {name!r} brings no simulator; choose one that does")
    return spec.simulate()


def _clashes(settings: BenchSettings) -> Iterator[str]:
    """Find what two things want for themselves."""
    owners: dict[str, str] = {}
    for kind, names in (
        ("batteries", settings.batteries),
        ("buses", settings.buses),
        ("devices", settings.devices),
    ):
        for name in names:
            if name in owners:
                yield f"{kind}.{name}: {owners[name]} has this name too; orders go by name, rename"
            owners.setdefault(name, f"{kind}.{name}")
    ports: dict[str, str] = {}
    wanted = [(f"buses.{name}", bus) for name, bus in settings.buses.items()]
    taken = [(f"devices.{name}.port", one.port) for name, one in settings.devices.items()]
    for path, place in (*wanted, *taken):
        if place is None:
            continue
        reached = place.model_dump_json()
        if isinstance(place, PtyPort | SlcanBus):
            reached = str(place.link)
        elif isinstance(place, SocketCanBus):
            reached = place.channel
        if reached in ports:
            yield f"{path}: {reached} is that of {ports[reached]}; give each its own"
        ports.setdefault(reached, path)


def _misplaced(
    settings: BenchSettings, name: str, device: BenchDevice, spec: SimulatorSpec
) -> Iterator[str]:
    """Find what does not fit between a device and the rest of its bench."""
    path = f"devices.{name}"
    if spec.wire == "can":
        if device.port is not None:
            yield f"{path}.port: a device on CAN has no port; name its bus in {path}.bus"
        if device.bus not in settings.buses:
            yield (
                f"{path}.bus: {device.bus!r} is no bus of this bench; there are: "
                f"{_listed(settings.buses)}"
            )
    else:
        if device.bus is not None:
            yield f"{path}.bus: {device.driver} is not on CAN; give it a port in {path}.port"
        if device.port is None:
            yield f"{path}.port: missing; give it a kind, pty with a link or tcp with a port"
    for battery in device.batteries:
        if battery not in settings.batteries:
            yield (
                f"{path}.batteries: {battery!r} is no battery of this bench; there are: "
                f"{_listed(settings.batteries)}"
            )
    least, most = spec.batteries
    if not least <= len(device.batteries) <= most:
        span = str(least) if least == most else f"{least} to {most}"
        yield (
            f"{path}.batteries: {len(device.batteries)} given, {device.driver} is connected to "
            f"{span}; list as many"
        )


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"


def _lines(error: ValidationError, path: tuple[str, ...]) -> Iterator[str]:
    for one in error.errors(include_url=False):
        where = ".".join(str(part) for part in (*path, *one["loc"])) or "bench"
        given = repr(one["input"])
        shown = given if len(given) <= 60 else f"{given[:57]}..."  # noqa: PLR2004 - fits a line
        yield f"{where}: {one['msg']}; got {shown}"

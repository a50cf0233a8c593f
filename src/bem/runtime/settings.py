"""Settings of one machine: one YAML file, typed, with defaults for everything but secrets.

A secret never stands in the file; the file names the file that holds it. ``BEM_CONFIG`` may name
another file than ``/etc/bem/bem.yaml``. A key that is not known is an error with its path.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

DEFAULT_FILE = Path("/etc/bem/bem.yaml")
ENVIRONMENT_VARIABLE = "BEM_CONFIG"

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
HostName = Annotated[str, Field(min_length=1, max_length=255)]
PortName = Annotated[str, Field(min_length=1, max_length=150)]


def _host_and_port(address: str) -> str:
    match = re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):([0-9]{1,5})", address)
    if match is None or not 1 <= int(match[1]) <= _HIGHEST_PORT:
        raise ValueError(
            f"write host:port, such as 10.0.0.5:5025 or [2001:db8::1]:5025, the port from 1 to "
            f"{_HIGHEST_PORT}"
        )
    return address


_HIGHEST_PORT = 65535
HostAndPort = Annotated[str, Field(max_length=150), AfterValidator(_host_and_port)]
"""Such as ``10.0.0.5:5025``, ``supply.example.org:5555`` or ``[2001:db8::1]:5025``."""
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_ID = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NodeId = Annotated[str, Field(pattern=f"^{_ID}$")]
PERIODS_PER_SILENCE = 2
"""A device must tolerate at least as many periods of silence, or a late pass ends a run."""


class SettingsError(Exception):
    """A settings file that cannot be used. The message names file, key, value and remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoggingSettings(_Section):
    """``level`` for everything, ``levels`` by dotted logger name: ``bem.manager: DEBUG``."""

    level: Level = "INFO"
    levels: dict[str, Level] = Field(default_factory=dict)


class BrokerSettings(_Section):
    """The MQTT broker, or the members of its cluster. ``ca_file`` turns TLS on.

    ``hosts`` are tried in turn, for ever; the certificate of each must be made out to its name.
    """

    hosts: tuple[HostName, ...] = Field(default=("localhost",), min_length=1, max_length=16)
    port: Port = 1883
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    keepalive_s: int = Field(default=10, ge=5, le=600)


class DatabaseSettings(_Section):
    """The database: an SQLite file below ``data_dir``, or a MySQL-compatible server."""

    engine: Literal["sqlite", "mysql"] = "sqlite"
    name: str = "bem"
    host: str = ""
    port: Port = 3306
    socket: Path | None = None
    user: str = "bem"
    password_file: Path | None = None


class WebSettings(_Section):
    """The web application. ``allowed_hosts`` are the host names it answers to.

    ``https``: ``serve`` speaks HTTPS by the certificate given; ``proxy`` speaks plain HTTP to a
    proxy that speaks HTTPS and says so by ``X-Forwarded-Proto``; ``off`` is plain HTTP.
    """

    address: str = "127.0.0.1"
    port: Port = 8869
    secret_key_file: Path | None = None
    secret_key_previous_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    https: Literal["serve", "proxy", "off"] = "off"
    certificate_file: Path | None = None
    key_file: Path | None = None
    workers: int = Field(default=1, ge=1, le=64)
    threads: int = Field(default=64, ge=4, le=1000)
    session_hours: int = Field(default=12, ge=1, le=720)

    @field_validator("https", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        # YAML takes a bare off for false.
        return "off" if value is False else value

    @model_validator(mode="after")
    def _serving_needs_a_certificate(self) -> "WebSettings":
        if self.https == "serve" and (self.certificate_file is None or self.key_file is None):
            raise ValueError(
                "https is serve, which needs certificate_file and key_file; "
                "without a certificate choose proxy or off"
            )
        return self


class ManagerSettings(_Section):
    """The master-node manager. A node is offline after ``offline_after_s`` without a word."""

    offline_after_s: Seconds = 12.0
    command_expiry_s: Seconds = 30.0
    command_repeat_s: Seconds = 5.0


class NotifySettings(_Section):
    """How the manager tells people of alarms. Without ``smtp_host`` there is no e-mail.

    ``smtp_security``: ``starttls`` refuses a server that has none, ``tls`` speaks it from the
    start, ``none`` sends in the clear. ``smtp_ca_file`` replaces the authorities of the system.
    ``pages`` is the address of the pages, for links: ``https://bem.example.org:8869``. What cannot
    be told is tried again with growing pauses, for ``give_up_h`` hours.
    """

    smtp_host: str = Field(default="", max_length=255)
    smtp_port: Port = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_ca_file: Path | None = None
    smtp_user: str | None = None
    smtp_password_file: Path | None = None
    sender: str = Field(default="", max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")
    pages: str = Field(default="", max_length=500, pattern=r"^(https?://\S+)?$")
    give_up_h: float = Field(default=24.0, gt=0, le=720)


class NodeSettings(_Section):
    """The node agent. Times in s; ``batch_rows`` samples or ``batch_s``, what comes first.

    ``release_link`` leads to the release in use, where releases are kept side by side: an idle
    station that runs from another one ends, so that it is started again from that one.
    ``scan_s``: how often devices are looked for, 0 for never. ``extra_ports`` are serial ports to
    look at besides those that the kernel names, ``slcan_ports`` are CAN adapters behind serial
    ports, ``tcp_addresses`` devices on the network. ``instruments`` is the folder with descriptions
    of SCPI instruments, by which a search recognises them.
    """

    id: NodeId = "node"
    heartbeat_s: Seconds = 4.0
    live_s: Seconds = 0.5
    batch_s: Seconds = 1.0
    batch_rows: int = Field(default=500, ge=1, le=5000)
    batches_in_flight: int = Field(default=8, ge=1, le=1000)
    resend_s: Seconds = 5.0
    keep_days: float = Field(default=30.0, ge=0, le=36_500)
    run_stations: Literal["children", "external"] = "external"
    release_link: Path | None = None
    scan_s: float = Field(default=30.0, ge=0, le=86_400)
    extra_ports: tuple[PortName, ...] = Field(default=(), max_length=64)
    slcan_ports: tuple[PortName, ...] = Field(default=(), max_length=64)
    tcp_addresses: tuple[HostAndPort, ...] = Field(default=(), max_length=64)
    instruments: Path = Path("/etc/bem/instruments")


class Settings(_Section):
    """All of one machine. ``data_dir`` is kept, ``runtime_dir`` is for sockets."""

    data_dir: Path = Path("/var/lib/bem")
    runtime_dir: Path = Path("/run/bem")
    logging: LoggingSettings = LoggingSettings()
    broker: BrokerSettings = BrokerSettings()
    database: DatabaseSettings = DatabaseSettings()
    web: WebSettings = WebSettings()
    manager: ManagerSettings = ManagerSettings()
    notify: NotifySettings = NotifySettings()
    node: NodeSettings = NodeSettings()

    @property
    def station_files(self) -> Path:
        """The folder of station definitions, one ``<id>.yaml`` each."""
        return self.data_dir / "stations"

    @property
    def device_locks(self) -> Path:
        """The folder of the locks of devices, one for each place that a station has."""
        return self.data_dir / "devices"

    @property
    def found_devices(self) -> Path:
        """What the newest search for devices came back with."""
        return self.runtime_dir / "devices.json"

    def station_file(self, station: str) -> Path:
        """The definition of one station."""
        return self.station_files / f"{station}.yaml"

    def station_folder(self, station: str) -> Path:
        """Where a station keeps its journal and its lock."""
        return self.station_files / station

    def journal_file(self, station: str) -> Path:
        """The journal of one station."""
        return self.station_folder(station) / "journal.sqlite3"

    @property
    def calibrations(self) -> Path:
        """Where reports of calibration checks are kept."""
        return self.data_dir / "calibrations"

    def station_socket(self, station: str) -> Path:
        """The local socket on which a station takes commands."""
        return self.runtime_dir / f"station-{station}.sock"


class StationDevice(_Section):
    """A device of a station: its driver and the settings that the driver takes."""

    driver: str
    settings: dict[str, object] = Field(default_factory=dict)


ChannelName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,62}$")]


class StationMeter(StationDevice):
    """An instrument beside the power path that only measures.

    ``name`` stands before its voltage, current and power, which are the power path's own names:
    ``meter_voltage``. ``channels`` chooses of its channels and names them otherwise, each by the
    device's name for it; without it there are all. ``required``: an experiment ends when the meter
    is lost or gives nothing for ``stale_s``; otherwise its channels have no values then.
    """

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,30}$")]
    channels: dict[str, ChannelName] = Field(default_factory=dict)
    required: bool = True
    stale_s: float = Field(default=10.0, ge=0.5, le=600)


class StationDefinition(_Section):
    """One station: its power path, its meters, and how fast its loop turns.

    ``period_ms``: period of the control loop. ``silence_s``: the device switches off by itself
    after that long without a sign of life. ``time_scale``: above 1 only with a simulated battery
    whose speed is the same; elapsed time then counts that much faster.
    """

    id: NodeId
    name: str = Field(min_length=1, max_length=64)
    period_ms: int = Field(default=100, ge=10, le=60_000)
    silence_s: float = Field(default=1.0, ge=0.1, le=60, validate_default=True)
    time_scale: float = Field(default=1.0, ge=1, le=1_000_000)
    power: StationDevice
    meters: tuple[StationMeter, ...] = ()

    @field_validator("meters")
    @classmethod
    def _names_are_unique(cls, meters: tuple[StationMeter, ...]) -> tuple[StationMeter, ...]:
        named = [meter.name for meter in meters]
        channels = [name for meter in meters for name in meter.channels.values()]
        for what, names in (("meter", named), ("channel", channels)):
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise PydanticCustomError(
                    "named_twice",
                    "two have the {what} name '{name}': give each a name of its own",
                    {"what": what, "name": twice[0]},
                )
        taken = [name for name in channels if name in ("voltage", "current", "power")]
        if taken:
            raise PydanticCustomError(
                "name_taken",
                "channel '{name}' is the power path's own: call it otherwise, such as meter_{name}",
                {"name": taken[0]},
            )
        return meters

    @field_validator("silence_s")
    @classmethod
    def _late_pass_is_no_silence(cls, silence_s: float, info: ValidationInfo) -> float:
        period_ms = info.data.get("period_ms")
        if period_ms is not None and silence_s * 1000 < PERIODS_PER_SILENCE * period_ms:
            raise PydanticCustomError(
                "silence_too_short",
                "must be at least {periods} periods of period_ms {period_ms}: {least_s} s",
                {
                    "periods": PERIODS_PER_SILENCE,
                    "period_ms": period_ms,
                    "least_s": PERIODS_PER_SILENCE * period_ms / 1000,
                },
            )
        return silence_s


def is_station_id(name: str) -> bool:
    """Whether a station can be called so."""
    return re.fullmatch(_ID, name) is not None


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings of this machine.

    Raises:
        SettingsError: the file is missing, unreadable, not YAML, or says something not allowed.
    """
    return _load(settings_file() if path is None else path, Settings)


def load_station(path: Path) -> StationDefinition:
    """Read the definition of one station; its ``id`` must be the name of the file.

    Raises:
        SettingsError: as :func:`load_settings`.
    """
    definition = _load(path, StationDefinition)
    if definition.id != path.stem:
        raise SettingsError(f"{path}: id is {definition.id!r}; it must be the file's name")
    return definition


def load_device(path: Path) -> StationDevice:
    """Read a device of a file of its own: ``driver`` and ``settings``, as the handbook shows them.

    Raises:
        SettingsError: as :func:`load_settings`.
    """
    return _load(path, StationDevice)


def settings_file() -> Path:
    """The file that :func:`load_settings` reads."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE, DEFAULT_FILE))


def secret_path(path: Path | None, what: str) -> Path:
    """Find the file of a secret; a relative path is looked up in systemd's credentials folder.

    Raises:
        SettingsError: no file is named.
    """
    if path is None:
        raise SettingsError(f"{what} is not set: name the file that holds it")
    if path.is_absolute():
        return path
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", ".")) / path


def read_secret(path: Path | None, what: str) -> SecretStr:
    """Read a secret from its file, which is found as by :func:`secret_path`.

    Raises:
        SettingsError: no file is named, or it cannot be read or is empty.
    """
    path = secret_path(path, what)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{what}: cannot read {path}: {error.strerror}") from error
    if not secret:
        raise SettingsError(f"{what}: {path} is empty")
    return SecretStr(secret)


S = TypeVar("S", bound=_Section)


def _load(path: Path, kind: type[S]) -> S:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"cannot read {path}: {error.strerror}; {ENVIRONMENT_VARIABLE} names the settings file"
        ) from error
    try:
        raw = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(kind, problem) for problem in error.errors()]
        raise SettingsError("\n".join([f"{path}:", *lines])) from error


def _explain(kind: type[BaseModel], problem: ErrorDetails) -> str:
    """Say which key is wrong, what it holds, and what is allowed there."""
    location = [str(part) for part in problem["loc"]]
    path = ".".join(location) or "the file"
    if problem["type"] != "extra_forbidden":
        return f"  {path}: {problem['msg']} (found {problem['input']!r})"
    section: type[BaseModel] = kind
    for part in location[:-1]:
        field = section.model_fields.get(part)
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        section = annotation
    return f"  {path}: unknown key; allowed here: {', '.join(sorted(section.model_fields))}"

"""The local wire between the agent and a station: JSON lines on a unix socket.

The agent, or ``bem`` on the node, sends one :class:`LocalRequest` a line and gets one
:class:`LocalReply` a line, in order. Only the owner of the socket's folder can reach it.
"""

import json
import socket
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_LINE = 4 * 1024 * 1024
MAX_SOCKET_PATH = 100
"""Longest path of a unix socket that every supported system takes, in bytes."""
LARGEST_NUMBER = 2**63 - 1
"""What an integer column of the journal holds."""

StationState = Literal["lost", "idle", "running", "fault"]


class LocalRequest(BaseModel):
    """What a station is asked.

    ``command``: execute ``action`` with ``arguments`` once for this ``id`` (see the message
    ``CommandOrder``). ``describe``: who are you. ``live``: newest reading. ``forget``: rows of
    ``experiment`` below the watermarks are safe at the server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: Literal["describe", "live", "command", "forget"]
    id: UUID | None = None
    action: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    experiment: UUID | None = None
    next_sample: int = Field(default=0, ge=0, le=LARGEST_NUMBER)
    next_event: int = Field(default=0, ge=0, le=LARGEST_NUMBER)


class LocalReply(BaseModel):
    """What a station answers: ``ok`` with ``body``, or not ok with ``reason``.

    ``retry``: refused for a passing cause.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ok: bool
    reason: str = ""
    retry: bool = False
    body: dict[str, Any] = Field(default_factory=dict)


class ChannelDescription(BaseModel):
    """A channel of the station besides voltage, current and power."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: str
    title: str


Activity = Literal["running", "paused", "held", "waiting"]


class LockDescription(BaseModel):
    """Who keeps anything from starting, why, and since when (RFC 3339)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    note: str
    at: str


class Description(BaseModel):
    """Body of the reply to ``describe``. Ratings of the power path in V, A, W."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: StationState
    reason: str = ""
    experiment: UUID | None = None
    device: str = ""
    channels: tuple[ChannelDescription, ...] = ()
    voltage_min: float | None = None
    voltage_max: float | None = None
    current_min: float | None = None
    current_max: float | None = None
    power_min: float | None = None
    power_max: float | None = None
    activity: Activity | None = None
    waits_for: str = ""
    lock: LockDescription | None = None
    warnings: tuple[str, ...] = ()


class Live(BaseModel):
    """Body of the reply to ``live``: as the message ``StationLive``, from the station's side.

    ``revision`` changes with what ``describe`` tells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: StationState
    measured_at: str | None = None
    values: dict[str, float] = Field(default_factory=dict)
    output_on: bool | None = None
    experiment: UUID | None = None
    elapsed_us: int | None = None
    step: int | None = None
    step_title: str | None = None
    step_elapsed_us: int | None = None
    cycle: int | None = None
    activity: Activity | None = None
    revision: int = 0


class StationUnreachable(Exception):
    """The station's process does not answer on its socket."""


def check_socket_path(path: Path) -> None:
    """Make sure that a socket can have this path.

    Raises:
        ValueError: it is longer than unix sockets allow; says what to choose.
    """
    length = len(str(path).encode())
    if length > MAX_SOCKET_PATH:
        raise ValueError(
            f"the socket path {path} has {length} bytes, at most {MAX_SOCKET_PATH} work: "
            "choose a shorter runtime_dir"
        )


class StationClient:
    """Ask one station, one request at a time, over a connection kept open between requests."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._buffer = b""

    def ask(self, request: LocalRequest) -> LocalReply:
        """Send a request and wait for its reply.

        Raises:
            StationUnreachable: no process listens, it hung up, or it took too long.
        """
        try:
            if self._socket is None:
                self._connect()
            return self._exchange(request)
        except (OSError, ValidationError, json.JSONDecodeError) as error:
            self.close()
            raise StationUnreachable(f"no answer on {self._path}: {error}") from error

    def read(self, request: LocalRequest) -> dict[str, Any]:
        """Get the body of what a station answers.

        Raises:
            StationUnreachable: as :meth:`ask`, or it refuses.
        """
        reply = self.ask(request)
        if not reply.ok:
            raise StationUnreachable(f"it refuses {request.request!r}: {reply.reason}")
        return reply.body

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""

    def _connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout_s)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self._socket = connection

    def _exchange(self, request: LocalRequest) -> LocalReply:
        connection = self._socket
        if connection is None:
            raise ConnectionError("not connected")
        connection.sendall(request.model_dump_json().encode() + b"\n")
        while b"\n" not in self._buffer:
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError("the station hung up")
            self._buffer += chunk
            if len(self._buffer) > MAX_LINE:
                raise ConnectionError(f"a reply of more than {MAX_LINE} bytes")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return LocalReply.model_validate_json(line)

"""A node's folders, journals as stations write them, and a station that is but a socket."""

import contextlib
import json
import os
import socket
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from bem.node.editor import StationEditor
from bem.node.tools import Tools
from bem.runtime.journal_schema import SCHEMA
from bem.runtime.local import LocalReply, LocalRequest
from bem.runtime.settings import Settings, StationDefinition


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    # Sockets need a short path; pytest's is too long.
    with tempfile.TemporaryDirectory(prefix="bem-") as runtime:
        yield Settings.model_validate(
            {
                "data_dir": tmp_path / "data",
                "runtime_dir": runtime,
                "node": {"id": "node-a", "batch_rows": 10, "batches_in_flight": 3},
            }
        )


class NoBench:
    """No station runs, and none has to be waited for."""

    def is_running(self, station: str) -> bool:
        return station == ""

    def look_again(self) -> None:
        return

    def works_by(self, station: str, definition: StationDefinition | None) -> bool:
        return (station, definition) is not None


@pytest.fixture
def editor(settings: Settings) -> StationEditor:
    return StationEditor(settings, NoBench(), Tools())


class Recorder:
    """Writes a journal as a station does."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.executescript(SCHEMA)

    def run(self, *channels: str) -> uuid.UUID:
        experiment = uuid.uuid4()
        listed = [{"name": name, "unit": "", "title": name} for name in channels]
        self.database.execute(
            "INSERT INTO run (experiment, name, program, channels, started_at) "
            "VALUES (?, 'run', '{}', ?, '2026-03-01T00:00:00+00:00')",
            (str(experiment), json.dumps(listed)),
        )
        return experiment

    def samples(self, experiment: uuid.UUID, first: int, size: int, extra: str = "[]") -> None:
        self.database.execute("BEGIN")
        for seq in range(first, first + size):
            self.database.execute(
                "INSERT INTO sample VALUES (?, ?, ?, 1, 1, 3.7, 1, 3.7, 0, 0, 0, 0, ?)",
                (str(experiment), seq, seq * 100_000, extra),
            )
        self.database.execute("COMMIT")

    def event(self, experiment: uuid.UUID, seq: int, data: str = "{}") -> None:
        self.database.execute(
            "INSERT INTO event VALUES (?, ?, 0, '2026-03-01T00:00:00.000001+00:00', 'fault', "
            "'error', 'words', ?)",
            (str(experiment), seq, data),
        )

    def end(self, experiment: uuid.UUID) -> None:
        self.database.execute(
            "UPDATE run SET ended_at = '2026-03-01T01:00:00+00:00' WHERE experiment = ?",
            (str(experiment),),
        )

    def forget(self, experiment: uuid.UUID, samples: int, events: int) -> None:
        self.database.execute(
            "UPDATE run SET acked_samples = max(acked_samples, ?), "
            "acked_events = max(acked_events, ?) WHERE experiment = ?",
            (samples, events, str(experiment)),
        )


@pytest.fixture
def make_recorder(settings: Settings) -> Iterator[Callable[[str], Recorder]]:
    made: list[Recorder] = []

    def make(station: str) -> Recorder:
        made.append(Recorder(settings.journal_file(station)))
        return made[-1]

    yield make
    for recorder in made:
        recorder.database.close()


@pytest.fixture
def recorder(make_recorder: Callable[[str], Recorder]) -> Recorder:
    return make_recorder("one")


Answerer = Callable[[LocalRequest], LocalReply | None]


class FakeStation:
    """Listens on a station's socket; ``answer`` says what, ``None`` hangs up without a word."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = "idle"
        self.experiment: uuid.UUID | None = None
        self.requests: list[LocalRequest] = []
        self.executed: list[uuid.UUID] = []
        self.hang = threading.Event()
        self.hung = threading.Event()
        self.answer: Answerer = self.usual
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def usual(self, request: LocalRequest) -> LocalReply:
        experiment = None if self.experiment is None else str(self.experiment)
        state = {"state": self.state, "experiment": experiment}
        if request.request == "live":
            return LocalReply(ok=True, body=state | {"values": {"voltage": 3.7}})
        if request.request == "describe":
            channels = [{"name": "temperature_body", "unit": "degC", "title": "Body"}]
            return LocalReply(ok=True, body=state | {"channels": channels, "voltage_max": 6.0})
        if request.request == "command" and request.id is not None:
            if request.id not in self.executed:
                self.executed.append(request.id)
            return LocalReply(ok=True)
        return LocalReply(ok=True)

    def asked(self, request: str) -> list[LocalRequest]:
        return [found for found in self.requests if found.request == request]

    def close(self) -> None:
        # Wakes the thread that waits in accept.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # noqa: PTH108 - beside bind, which has no path object either

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as lines:
            for line in lines:
                request = LocalRequest.model_validate_json(line)
                self.requests.append(request)
                if self.hang.is_set():
                    self.hung.set()
                    continue
                reply = self.answer(request)
                if reply is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(reply.model_dump_json().encode() + b"\n")


@pytest.fixture
def make_station(settings: Settings) -> Iterator[Callable[[str], FakeStation]]:
    made: list[FakeStation] = []

    def make(station: str) -> FakeStation:
        made.append(FakeStation(settings.station_socket(station)))
        return made[-1]

    yield make
    for station in made:
        station.close()


@pytest.fixture
def define(settings: Settings) -> Callable[..., Path]:
    def write(station: str, **changes: object) -> Path:
        settings.station_files.mkdir(parents=True, exist_ok=True)
        path = settings.station_file(station)
        definition = {"id": station, "name": station, "power": {"driver": "virtual"}} | changes
        # Replaced in one go, as any tool that installs files does.
        draft = path.with_suffix(".new")
        draft.write_text(yaml.safe_dump(definition))
        draft.replace(path)
        return path

    return write

"""The local socket: requests of :mod:`bem.runtime.local`, one JSON line each, answered in order."""

import json
import logging
import os
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from bem.runtime.local import MAX_LINE, LocalReply, LocalRequest, check_socket_path
from bem.station.desk import CommandDesk
from bem.station.journal import Journal
from bem.station.snapshot import Snapshot

_LOGGER = logging.getLogger(__name__)
BACKLOG = 16
"""Connections that may wait to be accepted."""
POLL_S = 0.25
"""How often the listener looks whether it shall end."""


class StationServer:
    """Listens while entered; every connection has a thread, so that none waits for another.

    Enter it only while the station's lock is held: a socket file left by a crash is replaced.

    Raises:
        ValueError: on entering, if the path is too long for a socket.
        OSError: on entering, if it cannot be bound.
    """

    def __init__(
        self,
        path: Path,
        desk: CommandDesk,
        journal: Journal,
        snapshot: Callable[[], Snapshot],
    ) -> None:
        self._path = path
        self._desk = desk
        self._journal = journal
        self._snapshot = snapshot

    def __enter__(self) -> "StationServer":
        check_socket_path(self._path)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._listener = _Listener(self._path, self.answer)
        finally:
            os.umask(mask)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(POLL_S,), name="socket", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def answer(self, line: bytes) -> LocalReply:
        """Answer one line. Nothing that stands in it can raise."""
        try:
            request = LocalRequest.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the line"
            return LocalReply(ok=False, reason=f"no request: {place}: {first['msg']}")
        match request.request:
            case "describe":
                return _body(self._snapshot().description().model_dump_json())
            case "live":
                return _body(self._snapshot().live().model_dump_json())
            case "command":
                return self._desk.execute(request)
            case "forget":
                if request.experiment is None:
                    return LocalReply(ok=False, reason="forget needs an experiment")
                self._journal.forget(request.experiment, request.next_sample, request.next_event)
                return LocalReply(ok=True)


def _body(text: str) -> LocalReply:
    return LocalReply(ok=True, body=json.loads(text))


class _Handler(socketserver.StreamRequestHandler):
    """One connection."""

    server: "_Listener"

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(MAX_LINE + 1):
                if len(line) > MAX_LINE:
                    self._send(LocalReply(ok=False, reason=f"a line of more than {MAX_LINE} bytes"))
                    return
                self._send(self.server.answer(line))
        except OSError as error:
            _LOGGER.debug("a connection broke: %s", error)
        except Exception:
            # The loop is not concerned: it goes on, and the one who asked is hung up on.
            _LOGGER.exception("error while answering on the socket")

    def _send(self, reply: LocalReply) -> None:
        self.wfile.write(reply.model_dump_json().encode() + b"\n")


class _Listener(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = BACKLOG

    def __init__(self, path: Path, answer: Callable[[bytes], LocalReply]) -> None:
        self.answer = answer
        super().__init__(str(path), _Handler)

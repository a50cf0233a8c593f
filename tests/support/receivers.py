"""A mail server and a webhook's receiver, as small as they can be, on real sockets."""

import base64
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType


@dataclass
class Told:
    """What a receiver was told; ``answers`` are its next ones, then all is well."""

    messages: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class _Running:
    """Serves until the block ends; ``port`` is where."""

    def __init__(self, server: socketserver.TCPServer, told: Told) -> None:
        self._server = server
        self.told = told
        self.port = int(server.server_address[1])
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "_Running":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(socketserver.TCPServer):
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error here."""


class _Http(HTTPServer):
    allow_reuse_address = True


class _Mail(socketserver.StreamRequestHandler):
    """A session of somebody who sends mail."""

    heard: Told

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            verb, *words = line.decode().split()
            self._answer(verb.upper(), *words)

    def _answer(self, verb: str, *words: str) -> None:
        if verb == "DATA":
            self._say("354 go on")
            self._take()
        elif verb == "AUTH":
            self.heard.signed_in.append(base64.b64decode(words[1]).decode())
            self._say("235 welcome")
        elif verb == "RCPT" and self.heard.answers:
            self._say(f"{self.heard.answers.pop(0)} no")
        else:
            said = {"EHLO": ["250-here", "250 AUTH PLAIN"], "QUIT": ["221 bye"]}
            self._say(*said.get(verb, ["250 ok"]))

    def _take(self) -> None:
        lines: list[str] = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line)
        self.heard.messages.append("\n".join(lines))
        self._say("250 taken")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


def mail_server(port: int = 0, told: Told | None = None) -> _Running:
    """Run a mail server that knows no TLS and takes any account."""

    class Session(_Mail):
        heard = Told() if told is None else told

    return _Running(_Server(("127.0.0.1", port), Session), Session.heard)


def webhook(port: int = 0, told: Told | None = None) -> _Running:
    """Run the receiver of a webhook."""
    heard = Told() if told is None else told

    class Post(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.paths.append(self.path)
            heard.messages.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            heard.headers.append(dict(self.headers))
            answer = heard.answers.pop(0) if heard.answers else 204
            self.send_response(answer)
            if answer // 100 == 3:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return _Running(_Http(("127.0.0.1", port), Post), heard)

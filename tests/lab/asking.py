"""Somebody who asks for pages all the time and notes each answer: is there ever none?"""

import http.client
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PORT = 8869
PATIENCE_S = 60.0
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. ``status`` 0: no answer, ``text`` says why. Times in s."""

    path: str
    asked_at: float
    took_s: float
    status: int
    text: str


@dataclass(slots=True)
class Asking:
    """All answers so far."""

    answers: list[Answer] = field(default_factory=list)

    def failed(self, parts: Mapping[str, str]) -> list[Answer]:
        """Find answers other than 200 of the page; ``parts``: what the page at a path holds."""
        return [one for one in self.answers if one.status != 200 or parts[one.path] not in one.text]

    def longest_s(self) -> float:
        """How long the slowest answer took."""
        return max(one.took_s for one in self.answers)

    def rate(self) -> float:
        """How many requests began in a second, on average."""
        starts = [one.asked_at for one in self.answers]
        return (len(starts) - 1) / (max(starts) - min(starts))

    def tally(self) -> Counter[int]:
        """Count the answers by status."""
        return Counter(one.status for one in self.answers)


@contextmanager
def asking(
    address: str,
    authority: Path,
    paths: tuple[str, ...],
    per_second: float,
    cookies: Mapping[str, str] | None = None,
) -> Iterator[Asking]:
    """Ask by HTTPS for ``paths`` in turn, each by a new connection, waiting for none before.

    What ``authority`` holds is trusted, and read again when that file changes.
    """
    found = Asking()
    trust = _Trust(authority)
    header = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    ended = threading.Event()
    with ThreadPoolExecutor(_AT_ONCE) as pool:

        def note(path: str, trusted: ssl.SSLContext) -> None:
            found.answers.append(ask(address, trusted, path, header))

        def ask_all() -> None:
            began = time.monotonic()
            number = 0
            while not ended.wait(max(0.0, began + number / per_second - time.monotonic())):
                path = paths[number % len(paths)]
                pool.submit(note, path, trust.now())
                number += 1

        thread = threading.Thread(target=ask_all, name="asking")
        thread.start()
        try:
            yield found
        finally:
            ended.set()
            thread.join()


class _Trust:
    """Whom to trust, by a file that may be replaced."""

    def __init__(self, authority: Path) -> None:
        self._authority = authority
        self._read_at = authority.stat().st_mtime_ns
        self._context = ssl.create_default_context(cafile=str(authority))

    def now(self) -> ssl.SSLContext:
        changed_at = self._authority.stat().st_mtime_ns
        if changed_at != self._read_at:
            self._context = ssl.create_default_context(cafile=str(self._authority))
            self._read_at = changed_at
        return self._context


def ask(address: str, trust: ssl.SSLContext, path: str, cookies: str = "") -> Answer:
    """Ask once, by a connection of its own."""
    asked_at = time.monotonic()
    connection = http.client.HTTPSConnection(address, PORT, timeout=PATIENCE_S, context=trust)
    try:
        headers = {"Connection": "close"} | ({"Cookie": cookies} if cookies else {})
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        status, text = answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        status, text = 0, repr(error)
    finally:
        connection.close()
    return Answer(path, asked_at, time.monotonic() - asked_at, status, text)

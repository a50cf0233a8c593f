"""What has arrived and waits for the worker. Bounded: what does not fit is dropped and counted.

Dropping is harmless: nodes send again what is not acknowledged, and the manager repeats commands
until they are answered.
"""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

MAX_BYTES = 64 * 1024 * 1024
MAX_LETTERS = 10_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it arrived, and when."""

    topic: str
    payload: bytes
    arrived_at: datetime


class Mailbox:
    """A queue between the link's thread and the worker, bounded in number and in bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_letters: int = MAX_LETTERS) -> None:
        self._max_bytes = max_bytes
        self._max_letters = max_letters
        self._letters: deque[Letter] = deque()
        self._bytes = 0
        self._condition = threading.Condition()
        self.dropped = 0
        """Letters that did not fit, since the start."""

    def put(self, letter: Letter) -> bool:
        """Add a letter; ``False`` if it did not fit and is gone."""
        with self._condition:
            size = len(letter.payload)
            if len(self._letters) >= self._max_letters or self._bytes + size > self._max_bytes:
                self.dropped += 1
                return False
            self._letters.append(letter)
            self._bytes += size
            self._condition.notify()
            return True

    def take(self, timeout_s: float) -> Letter | None:
        """Get the oldest letter, waiting for one up to ``timeout_s``."""
        with self._condition:
            if not self._letters:
                self._condition.wait(timeout_s)
            if not self._letters:
                return None
            letter = self._letters.popleft()
            self._bytes -= len(letter.payload)
            return letter

    def clear(self) -> None:
        """Forget all; whoever takes over is sent it again."""
        with self._condition:
            self._letters.clear()
            self._bytes = 0

"""Read what arrives from the broker without trusting any of it."""

import logging
from collections import Counter
from typing import TypeVar

from bem.messages import BadMessage, decode, parse_topic
from bem.messages.base import Message

_LOGGER = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)
_MAX_SENDERS = 10_000


class Inbox:
    """Decode messages; count the bad ones, and log once per sender."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()

    def read(self, topic: str, payload: bytes, *allowed: type[M]) -> tuple[str, M] | None:
        """Get the node and its message; ``None`` if it was dropped."""
        parsed = parse_topic(topic)
        if parsed is None:
            self._drop(topic[:200], "the topic is none of ours")
            return None
        sender = parsed[0]
        try:
            return sender, decode(payload, *allowed)
        except BadMessage as error:
            self._drop(sender, str(error))
            return None

    def _drop(self, sender: str, error: str) -> None:
        if sender not in self.dropped and len(self.dropped) >= _MAX_SENDERS:
            sender = "(others)"
        if sender not in self.dropped:
            _LOGGER.warning(
                "dropped a message from %s: %s; further ones from there are only counted",
                sender,
                error,
            )
        self.dropped[sender] += 1

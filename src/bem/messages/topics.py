"""Topics. Everything of a node lies below ``bem/v1/nodes/<node>/``, so that the broker can hold a
node's account to it. The last level says what is spoken there and in which direction.
"""

import re
from enum import StrEnum

PREFIX = "bem/v1/nodes"
_TOPIC = re.compile(rf"^{PREFIX}/([a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?)/([a-z]+)$")


class Topic(StrEnum):
    """The last level of a topic."""

    STATUS = "status"
    """Upward: NodeStatus on connecting, on change and every few seconds; NodeGone as last will."""
    LIVE = "live"
    """Upward: LiveMessage, the newest values of all stations of the node."""
    SAMPLES = "samples"
    """Upward: SampleBatch."""
    EVENTS = "events"
    """Upward: EventBatch."""
    ANSWERS = "answers"
    """Upward: CommandAnswer."""
    COMMANDS = "commands"
    """Downward: CommandOrder."""
    ACKNOWLEDGEMENTS = "acknowledgements"
    """Downward: Acknowledgement, the watermarks."""


def topic(node: str, last: Topic) -> str:
    """Build the topic of one node."""
    return f"{PREFIX}/{node}/{last}"


def node_filter(last: Topic) -> str:
    """Build the subscription for one kind of topic of all nodes."""
    return f"{PREFIX}/+/{last}"


def parse_topic(text: str) -> tuple[str, Topic] | None:
    """Take a topic apart into node id and last level; ``None`` if it is not one of ours."""
    match = _TOPIC.match(text)
    if match is None or match[2] not in Topic.__members__.values():
        return None
    return match[1], Topic(match[2])

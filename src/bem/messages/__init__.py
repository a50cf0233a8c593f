"""What travels between the manager and the nodes: typed, versioned JSON on MQTT topics.

Every message is one JSON object with ``v`` (the version of this package's types, 1) and ``type``.
The sender of a message is the node named in its topic, which the broker's permissions guarantee;
messages do not repeat it. Unknown keys are refused, so that a misspelt one is never lost silently.
"""

from bem.messages.codec import MAX_BYTES, BadMessage, decode, encode
from bem.messages.downward import Acknowledgement, CommandOrder
from bem.messages.topics import Topic, node_filter, parse_topic, topic
from bem.messages.upward import (
    MAX_DEFINITION,
    MAX_DEVICES,
    Activity,
    CommandAnswer,
    DeviceReport,
    DriverReport,
    EventBatch,
    EventRow,
    LiveMessage,
    NodeGone,
    NodeStatus,
    Outcome,
    SampleBatch,
    SampleColumns,
    StationChannel,
    StationLive,
    StationLock,
    StationReport,
)

__all__ = [
    "MAX_BYTES",
    "MAX_DEFINITION",
    "MAX_DEVICES",
    "Acknowledgement",
    "Activity",
    "BadMessage",
    "CommandAnswer",
    "CommandOrder",
    "DeviceReport",
    "DriverReport",
    "EventBatch",
    "EventRow",
    "LiveMessage",
    "NodeGone",
    "NodeStatus",
    "Outcome",
    "SampleBatch",
    "SampleColumns",
    "StationChannel",
    "StationLive",
    "StationLock",
    "StationReport",
    "Topic",
    "decode",
    "encode",
    "node_filter",
    "parse_topic",
    "topic",
]

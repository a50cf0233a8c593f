"""JSON to messages and back. Whatever arrives, only :class:`BadMessage` leaves."""

from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from bem.messages.base import Message
from bem.messages.downward import Acknowledgement, CommandOrder
from bem.messages.upward import (
    CommandAnswer,
    EventBatch,
    LiveMessage,
    NodeGone,
    NodeStatus,
    SampleBatch,
)

MAX_BYTES = 4 * 1024 * 1024
"""Largest payload that is looked at: some 20 full batches."""

AnyMessage = (
    NodeStatus
    | NodeGone
    | LiveMessage
    | SampleBatch
    | EventBatch
    | CommandAnswer
    | CommandOrder
    | Acknowledgement
)

_ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])

M = TypeVar("M", bound=Message)


class BadMessage(ValueError):
    """A payload that is no message of this version. Says what is wrong, not what was in it."""


def encode(message: Message) -> bytes:
    """Write a message as JSON."""
    return message.model_dump_json().encode()


def decode(payload: bytes, *allowed: type[M]) -> M:
    """Read a message and check that it is of an allowed type.

    Raises:
        BadMessage: too large, not JSON, unknown type or version, wrong or missing fields.
    """
    if len(payload) > MAX_BYTES:
        raise BadMessage(f"{len(payload)} bytes; at most {MAX_BYTES} are read")
    try:
        message = _ADAPTER.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "message"
        raise BadMessage(f"{path}: {first['msg']}") from None
    for kind in allowed:
        if isinstance(message, kind):
            return message
    raise BadMessage(f"type {message.type!r} is not spoken here")

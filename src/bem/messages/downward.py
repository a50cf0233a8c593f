"""Messages from the manager to a node."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from bem.messages.base import Count, Instant, Message, Slug


class CommandOrder(Message):
    """Something to do, at most once, for one station.

    All but ``define`` and ``remove`` are handed to the station as they are; the station checks
    them. ``start`` takes ``experiment`` (UUID), ``name``, ``program`` (:mod:`bem.domain.program`),
    ``battery`` (its name), ``limits`` (of the experiment, a list of
    :class:`bem.domain.program.Limit`) and ``on_interruption`` (``resume``, ``wait`` or ``end``).
    ``stop``, ``pause``, ``hold`` and ``resume`` take ``experiment``; ``skip`` takes ``experiment``
    and the number of the ``step`` that the person saw; ``change_ends`` those two and ``ends`` (a
    list of :class:`bem.domain.program.End`). ``acknowledge``, ``lock`` and ``unlock`` take nothing
    else.

    ``define`` and ``remove`` are for the agent: they write and delete the station's definition.
    Both take ``before``, the definition that the person saw, or ``null`` where there was none: a
    node that has another one by now refuses. ``define`` takes ``definition``, the content of the
    station's file (:class:`bem.runtime.settings.StationDefinition`).

    ``by`` and ``note`` may stand beside any of these: who ordered it, and why.
    A node neither executes after ``expires_at`` nor executes an ``id`` twice; asked again, it
    repeats its answer. Both instants are by the node's clock, which the manager knows from the
    node's status: a small computer without a clock of its own may be far off after power-up.
    """

    type: Literal["command"] = "command"
    id: UUID
    station: Slug
    action: Literal[
        "start",
        "stop",
        "pause",
        "hold",
        "resume",
        "skip",
        "change_ends",
        "acknowledge",
        "lock",
        "unlock",
        "define",
        "remove",
    ]
    arguments: dict[str, Any] = Field(default_factory=dict)
    issued_at: Instant
    expires_at: Instant
    issued_by: str = Field(max_length=150)


class Acknowledgement(Message):
    """The watermark of an experiment: rows below are safe at the server, never sent again.

    ``rewind``: the manager saw a gap; send again from the watermark.
    ``known`` false: the server has no such experiment, so the node keeps the rows and stops
    sending them until it connects anew.
    """

    type: Literal["acknowledgement"] = "acknowledgement"
    experiment: UUID
    next_sample: Count
    next_event: Count
    rewind: bool = False
    known: bool = True

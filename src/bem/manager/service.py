"""What the manager does with a message, and what it does by itself. One thread, no loop."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from bem.lab import dispatch, intake, nodes
from bem.lab.alarms import AlarmWatch
from bem.lab.models import Command
from bem.lab.operations.commands import COMMAND_LIFE
from bem.manager.mailbox import Letter
from bem.messages import (
    Acknowledgement,
    CommandAnswer,
    CommandOrder,
    EventBatch,
    NodeGone,
    NodeStatus,
    SampleBatch,
    Topic,
    parse_topic,
    topic,
)
from bem.messages.base import Message
from bem.runtime.inbox import Inbox
from bem.runtime.settings import ManagerSettings

_LOGGER = logging.getLogger(__name__)
LOST_AFTER_S = 60.0
"""How long a station may be idle, with all its data here, before its run counts as lost."""
_LOST_REASON = "its station does not run it and has no record of how it ended"
_COMMANDS_EVERY_S = 0.2
_QUEUE_EVERY_S = 0.5
_CHECKS_EVERY_S = 1.0
_ALARMS_EVERY_S = 1.0
_CLOCK_OFF_S = 2.0

TOPICS = (Topic.STATUS, Topic.SAMPLES, Topic.EVENTS, Topic.ANSWERS)
Clock = Callable[[], float]
Publish = Callable[[str, Message], bool]


@dataclass(slots=True)
class _Duty:
    work: Callable[[], None]
    every_s: float
    due: float = -math.inf


class Manager:
    """The decisions of the laboratory.

    ``publish(topic, message)`` sends; ``clock`` is monotonic seconds, ``now`` the time of day.
    All methods but :meth:`heard` are for the worker alone.
    """

    def __init__(
        self,
        settings: ManagerSettings,
        publish: Publish,
        *,
        clock: Clock = time.monotonic,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._settings = settings
        self._publish = publish
        self._clock = clock
        self._now = now
        self._life = timedelta(seconds=settings.command_expiry_s)
        self._longest_life = max(self._life, COMMAND_LIFE)
        self._inbox = Inbox()
        self._heard_lock = threading.Lock()
        self._heard: dict[str, float] = {}
        self._unsent: dict[tuple[str, str], int] = {}
        self._sent_at: dict[UUID, float] = {}
        self._idle_since: dict[int, float] = {}
        self._duties = [
            _Duty(self._follow_commands, _COMMANDS_EVERY_S),
            _Duty(self._run_queue, _QUEUE_EVERY_S),
            _Duty(self._check, _CHECKS_EVERY_S),
            _Duty(self._review_alarms, _ALARMS_EVERY_S),
        ]
        self._alarms = AlarmWatch()
        self._began = False

    def heard(self, name: str) -> None:
        """Note a sign of life by its topic, on arrival: a worker that lags must not be mistaken
        for a node that is silent. Safe in any thread.
        """
        parsed = parse_topic(name)
        if parsed is not None:
            with self._heard_lock:
                if parsed[0] in self._heard:
                    self._heard[parsed[0]] = self._clock()

    def receive(self, letter: Letter) -> None:
        """Act on one message. Malformed ones are counted and logged once per sender.

        Raises:
            django.db.Error: the database; nothing was kept or acknowledged.
        """
        self._begin()
        read = self._inbox.read(
            letter.topic,
            letter.payload,
            NodeStatus,
            NodeGone,
            SampleBatch,
            EventBatch,
            CommandAnswer,
        )
        if read is None:
            return
        node, message = read
        match message:
            case SampleBatch():
                taken = intake.take_samples(
                    node, message.experiment, message.first_seq, message.columns
                )
                self._acknowledge(node, message.experiment, taken)
            case EventBatch():
                taken = intake.take_events(
                    node, message.experiment, message.first_seq, message.rows, now=self._now()
                )
                self._acknowledge(node, message.experiment, taken)
            case NodeStatus():
                self._take_status(node, message, letter.arrived_at)
            case NodeGone():
                if nodes.set_gone(node, message.session):
                    self._set_silent(node)
                    _LOGGER.warning("node %s is offline: its connection ended", node)
            case CommandAnswer():
                self._take_answer(node, message)

    def tick(self) -> None:
        """Do what is due.

        Raises:
            django.db.Error: the database; it is done at the next call.
        """
        self._begin()
        now = self._clock()
        for duty in self._duties:
            if now >= duty.due:
                # Set first: a duty that fails takes its turn again like any other.
                duty.due = now + duty.every_s
                duty.work()

    def _begin(self) -> None:
        """Forget what an earlier manager believed, before anything else."""
        if not self._began:
            nodes.set_all_offline()
            self._began = True

    # -- messages

    def _acknowledge(self, node: str, experiment: UUID, taken: intake.Taken | None) -> None:
        if taken is None:
            answer = Acknowledgement(
                experiment=experiment, next_sample=0, next_event=0, known=False
            )
        else:
            answer = Acknowledgement(
                experiment=experiment,
                next_sample=taken.next_sample,
                next_event=taken.next_event,
                rewind=taken.gap,
            )
        self._publish(topic(node, Topic.ACKNOWLEDGEMENTS), answer)

    def _take_status(self, node: str, status: NodeStatus, arrived_at: datetime) -> None:
        came = nodes.take_status(node, status, arrived_at)
        with self._heard_lock:
            self._heard[node] = self._clock()
        if came:
            offset_s = (status.sent_at - arrived_at).total_seconds()
            _LOGGER.info(
                "node %s is online with %d stations, its clock %+.1f s off",
                node,
                len(status.stations),
                offset_s,
            )
        for key in [key for key in self._unsent if key[0] == node]:
            del self._unsent[key]
        for station in status.stations:
            self._unsent[node, station.id] = station.unsent
        dispatch.take_running(
            [
                (node, station.id, station.experiment, station.activity)
                for station in status.stations
                if station.state == "running" and station.experiment is not None
            ]
        )

    def _take_answer(self, node: str, answer: CommandAnswer) -> None:
        taken = dispatch.take_answer(
            node,
            answer.command,
            answer.outcome.value,
            answer.reason,
            retry=answer.retry,
            now=self._now(),
        )
        self._sent_at.pop(answer.command, None)
        if taken and answer.outcome != "done":
            _LOGGER.warning(
                "command %s to node %s was %s: %s",
                answer.command,
                node,
                answer.outcome.value,
                answer.reason,
            )

    # -- duties

    def _follow_commands(self) -> None:
        now = self._now()
        dispatch.expire(now, self._longest_life)
        commands = dispatch.due_commands(now)
        open_ids = {command.id for command in commands}
        for gone in self._sent_at.keys() - open_ids:
            del self._sent_at[gone]
        for command in commands:
            sent_at = self._sent_at.get(command.id)
            if sent_at is None or self._clock() - sent_at >= self._settings.command_repeat_s:
                self._send(command, now)

    def _send(self, command: Command, now: datetime) -> None:
        station = command.station
        offset_s = station.node.clock_offset_s
        # The node judges by its own clock; small differences are the way's, not the clock's.
        shift = timedelta(seconds=offset_s if abs(offset_s) >= _CLOCK_OFF_S else 0.0)
        issued_by = command.issued_by.get_username() if command.issued_by else "manager"
        order = CommandOrder(
            id=command.id,
            station=station.slug,
            action=Command.Action(command.action).value,
            arguments=dispatch.arguments_of(command),
            issued_at=command.issued_at + shift,
            expires_at=command.expires_at + shift,
            issued_by=issued_by[:150],
        )
        if self._publish(topic(station.node_id, Topic.COMMANDS), order):
            self._sent_at[command.id] = self._clock()
            dispatch.set_sent(command.id, now)

    def _run_queue(self) -> None:
        for command in dispatch.start_next(self._now(), self._life):
            _LOGGER.info("station %s shall start %s", command.station, command.experiment)

    def _review_alarms(self) -> None:
        self._alarms.review(self._now(), self._clock())

    def _check(self) -> None:
        self._check_silence()
        self._check_lost_runs()

    def _check_silence(self) -> None:
        deadline = self._clock() - self._settings.offline_after_s
        with self._heard_lock:
            silent = [node for node, at in self._heard.items() if at < deadline]
        if not silent:
            return
        for node in nodes.set_offline(silent):
            _LOGGER.warning(
                "node %s is offline: not heard for %g s", node, self._settings.offline_after_s
            )
        for node in silent:
            self._set_silent(node)

    def _set_silent(self, node: str) -> None:
        with self._heard_lock:
            self._heard.pop(node, None)
        for key in [key for key in self._unsent if key[0] == node]:
            del self._unsent[key]

    def _check_lost_runs(self) -> None:
        now = self._clock()
        still: dict[int, float] = {}
        for experiment, node, station in dispatch.without_station():
            # Unknown counts as unsent: wait until the station has been heard.
            if self._unsent.get((node, station), 1) == 0:
                still[experiment] = self._idle_since.get(experiment, now)
        self._idle_since = still
        for experiment, since in still.items():
            if now - since < LOST_AFTER_S:
                continue
            if dispatch.interrupt(experiment, _LOST_REASON, self._now()):
                _LOGGER.error("experiment %d is interrupted: %s", experiment, _LOST_REASON)

"""Commands to stations, from whoever gave them to their one final answer."""

import uuid

from django.conf import settings
from django.db import models

from bem.lab.models.experiments import Experiment
from bem.lab.models.nodes import Station


class Command(models.Model):
    """A command. The manager alone sends it and follows it; web and CLI only write it down.

    ``note`` is why a person gave it. ``issued_by`` is ``None`` for the manager's own. Commands of
    ``EDITS`` are for the station's node; their ``arguments`` hold the definition before and after.
    """

    class Action(models.TextChoices):
        """What a station, or its node about it, can be told."""

        START = "start", "Start"
        STOP = "stop", "Stop"
        PAUSE = "pause", "Pause"
        HOLD = "hold", "Hold at the set point"
        RESUME = "resume", "Resume"
        SKIP = "skip", "Skip step"
        CHANGE_ENDS = "change_ends", "Change ends of step"
        ACKNOWLEDGE = "acknowledge", "Acknowledge fault"
        LOCK = "lock", "Lock"
        UNLOCK = "unlock", "Unlock"
        DEFINE = "define", "Define station"
        REMOVE = "remove", "Remove station"

    class Status(models.TextChoices):
        """``PENDING`` until sent; the last three are final."""

        PENDING = "pending", "Pending"
        SENT = "sent", "Sent"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        EXPIRED = "expired", "Expired"

    OPEN = (Status.PENDING, Status.SENT)
    EDITS = (Action.DEFINE, Action.REMOVE)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    station = models.ForeignKey(Station, models.CASCADE, related_name="commands")
    experiment = models.ForeignKey(
        Experiment, models.SET_NULL, null=True, blank=True, related_name="commands"
    )
    action = models.CharField(max_length=16, choices=Action)
    arguments = models.JSONField(default=dict)
    note = models.CharField(max_length=500, blank=True)
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=1000, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-issued_at"]
        indexes = [models.Index(fields=["status", "issued_at"], name="command_open")]

    def __str__(self) -> str:
        return f"{self.action} {self.station_id}"

"""Experiments: one run of one profile on one battery at one station."""

import uuid

from django.conf import settings
from django.db import models

from bem.lab.models.batteries import Battery
from bem.lab.models.nodes import Station
from bem.lab.models.profiles import Profile


class Experiment(models.Model):
    """An experiment, from the queue to its end.

    ``uuid`` is its name on the wire and on nodes. ``profile_text`` and ``program`` are what was
    queued, whatever becomes of the profile. ``channels``: list of {name, unit, title} in the order
    of ``Sample.extra``, as its run reported them.

    Waiting experiments of a station run by ascending ``position``; ``held`` ones are passed over.
    ``follows``: it may start by itself after another on the same battery; else a person must say so
    (``released_at``). ``parameters``: value by name, as written by a person. ``limits``: list of
    :class:`bem.domain.program.Limit`. ``capacity_source``: which capacity C-rates were taken of.
    ``expected``: what a dry run foretold when it was queued.
    """

    class OnInterruption(models.TextChoices):
        """What a station does with the run after it was off, or its process died."""

        RESUME = "resume", "Go on by itself, once all checks before a start have passed"
        WAIT = "wait", "Wait until a person says to go on"
        END = "end", "End as interrupted"

    class CapacitySource(models.TextChoices):
        """Which capacity of the battery C-rates mean."""

        NOMINAL = "nominal", "Nominal"
        MEASURED = "measured", "Last measured"

    class Status(models.TextChoices):
        """Life of an experiment. The last five are final."""

        QUEUED = "queued", "Queued"
        STARTING = "starting", "Starting"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        FINISHED = "finished", "Finished"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"
        CANCELLED = "cancelled", "Cancelled"

    ACTIVE = (Status.STARTING, Status.RUNNING, Status.PAUSED)
    OPEN = (Status.QUEUED, *ACTIVE)
    QUEUE_ORDER = ("position", "id")

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64)
    description = models.TextField(max_length=2000, blank=True)
    battery = models.ForeignKey(Battery, models.PROTECT, related_name="experiments")
    station = models.ForeignKey(Station, models.PROTECT, related_name="experiments")
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="experiments")
    profile_text = models.TextField(max_length=200_000)
    program = models.JSONField()
    channels = models.JSONField(default=list)
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    status_reason = models.CharField(max_length=1000, blank=True)
    time_scale = models.FloatField(default=1.0)
    position = models.PositiveIntegerField(default=0)
    held = models.BooleanField(default=False)
    follows = models.BooleanField(default=True)
    released_at = models.DateTimeField(null=True, blank=True)
    on_interruption = models.CharField(
        max_length=8, choices=OnInterruption, default=OnInterruption.END
    )
    parameters = models.JSONField(default=dict, blank=True)
    limits = models.JSONField(default=list, blank=True)
    capacity_source = models.CharField(
        max_length=8, choices=CapacitySource, default=CapacitySource.NOMINAL
    )
    expected = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "station"], name="experiment_queue"),
            models.Index(fields=["created_at"], name="experiment_created"),
        ]

    def __str__(self) -> str:
        return self.name


class Intake(models.Model):
    """How far the data of an experiment has come in: the watermarks and the run's newest figures.

    The row is locked by whoever takes data in, so that each sample is counted once. ``next_sample``
    and ``next_event`` are the numbers of the first rows not yet here.
    """

    experiment = models.OneToOneField(Experiment, models.CASCADE, primary_key=True)
    next_sample = models.PositiveBigIntegerField(default=0)
    next_event = models.PositiveBigIntegerField(default=0)
    elapsed_us = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.next_sample} samples, {self.next_event} events"

"""Alarms: what a person must know of; and whom they were told to, by which way."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from bem.lab.models.experiments import Experiment
from bem.lab.models.nodes import Node, Station


class Severity(models.TextChoices):
    """How much a person must care, least first."""

    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"

    @property
    def rank(self) -> int:
        """The more, the graver."""
        return list(Severity).index(self)


class Alarm(models.Model):
    """A condition that a person must know of, from when it began until it has passed.

    ``source`` (``station:7``, ``node:n1``, ``experiment:9``) and ``cause`` say what it is about;
    ``open_key`` is both as long as it has not passed, so that there is one of each. A condition
    that comes back before anybody acknowledged it counts up ``count`` (``last_at``).
    Those of ``MOMENTARY`` causes tell of an instant and pass by being acknowledged.
    """

    class Cause(models.TextChoices):
        """What an alarm can be about."""

        FAULT = "fault", "Fault latched"
        OUTPUT = "output", "Output not verified to be off"
        RUN_FAILED = "run_failed", "Run failed"
        RUN_INTERRUPTED = "run_interrupted", "Run interrupted"
        WAITS = "waits", "Waits for a person"
        DEVICE_LOST = "device_lost", "Device lost"
        STATION_DOWN = "station_down", "Station down"
        STATION_WARNING = "station_warning", "Station warns"
        NODE_SILENT = "node_silent", "Node silent"
        CLOCK = "clock", "Clock far off"
        CANNOT_START = "cannot_start", "Cannot start"

    MOMENTARY = (Cause.OUTPUT, Cause.RUN_FAILED, Cause.RUN_INTERRUPTED)

    severity = models.CharField(max_length=8, choices=Severity)
    cause = models.CharField(max_length=16, choices=Cause)
    source = models.CharField(max_length=80)
    open_key = models.CharField(max_length=100, unique=True, null=True, blank=True)
    message = models.CharField(max_length=1000)
    station = models.ForeignKey(
        Station, models.CASCADE, null=True, blank=True, related_name="alarms"
    )
    node = models.ForeignKey(Node, models.CASCADE, null=True, blank=True, related_name="alarms")
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, null=True, blank=True, related_name="alarms"
    )
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    cleared_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    acknowledged_note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-raised_at", "-id"]
        indexes = [
            models.Index(fields=["source", "cause", "raised_at"], name="alarm_history"),
            models.Index(fields=["acknowledged_at", "cleared_at"], name="alarm_present"),
        ]

    def __str__(self) -> str:
        return self.message

    @classmethod
    def present(cls) -> models.QuerySet["Alarm"]:
        """Those that have not passed, or that nobody has acknowledged."""
        return cls.objects.filter(Q(cleared_at=None) | Q(acknowledged_at=None))


class Notifications(models.Model):
    """How somebody wants to be told of new alarms; an empty address is a way not taken."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="notifications"
    )
    email = models.EmailField(max_length=254, blank=True)
    webhook = models.CharField(max_length=500, blank=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)

    class Meta:
        verbose_name_plural = "notifications"

    def __str__(self) -> str:
        return f"{self.user}: {self.get_severity_display().lower()} and above"


class Delivery(models.Model):
    """One alarm told to one person by one way, tried until it succeeds or its time is over.

    Without an alarm it is a message that the person sends to try the way.
    ``next_at``: when it is tried next. ``error``: why the last attempt failed.
    """

    class Way(models.TextChoices):
        """How a person is told."""

        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    class Status(models.TextChoices):
        """The last two are final."""

        PENDING = "pending", "Pending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    alarm = models.ForeignKey(
        Alarm, models.CASCADE, null=True, blank=True, related_name="deliveries"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="deliveries")
    way = models.CharField(max_length=8, choices=Way)
    address = models.CharField(max_length=500)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["alarm", "user", "way"], name="delivery_is_unique")
        ]
        indexes = [models.Index(fields=["status", "next_at"], name="delivery_due")]

    def __str__(self) -> str:
        return f"{self.get_way_display()} to {self.user}: {self.get_status_display().lower()}"

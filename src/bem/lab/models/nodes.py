"""Nodes and their stations, as they last reported themselves."""

from django.conf import settings
from django.db import models

from bem.domain.battery import StationSpec
from bem.domain.limits import Limits


class Node(models.Model):
    """A cycler node. ``online`` is what the manager concludes;
    ``clock_offset_s`` is the node's clock minus the server's.
    """

    id = models.CharField(primary_key=True, max_length=63)
    hostname = models.CharField(max_length=255)
    version = models.CharField(max_length=64)
    session = models.UUIDField()
    online = models.BooleanField(default=False)
    first_seen = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField()
    clock_offset_s = models.FloatField(default=0.0)
    unsent_samples = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.id


class DriverList(models.Model):
    """The drivers that a node has; apart from it, because few pages need so much text.

    ``drivers``: list of {name, title, settings, power}. ``settings`` is the JSON schema of those
    that the driver takes; ``power`` whether it has a power path, ``None`` where that is not told.
    """

    node = models.OneToOneField(Node, models.CASCADE, primary_key=True, related_name="driver_list")
    drivers = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"drivers of {self.node_id}"


class Device(models.Model):
    """A device that a node found, or a place where something may be.

    ``place`` names it on its node; ``key`` is its hash, since databases take some letters for the
    same. ``settings`` are what the ``driver`` takes. ``power``: whether it has a power path or only
    measures, ``None`` where its node does not tell. ``present``: the newest search found it.
    ``since``: when its state, station or presence became what it is.
    """

    class State(models.TextChoices):
        """As the node reports it."""

        FREE = "free", "Free"
        RESERVED = "reserved", "Station does not run"
        USED = "used", "In use"
        UNKNOWN = "unknown", "Unknown"

    node = models.ForeignKey(Node, models.CASCADE, related_name="devices")
    key = models.CharField(max_length=64)
    place = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State)
    driver = models.CharField(max_length=64, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    power = models.BooleanField(null=True, blank=True)
    make = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=100, blank=True)
    serial = models.CharField(max_length=100, blank=True)
    firmware = models.CharField(max_length=100, blank=True)
    title = models.CharField(max_length=200, blank=True)
    station_slug = models.CharField(max_length=63, blank=True)
    used_by = models.CharField(max_length=200, blank=True)
    answered = models.CharField(max_length=80, blank=True)
    trouble = models.CharField(max_length=500, blank=True)
    present = models.BooleanField(default=True)
    since = models.DateTimeField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        ordering = ["place", "id"]
        constraints = [
            models.UniqueConstraint(fields=["node", "key"], name="device_is_unique_on_node")
        ]

    def __str__(self) -> str:
        return self.title or f"{self.make} {self.model}".strip() or self.place


class Station(models.Model):
    """A station of a node. ``state`` holds only while the node is online.

    ``present``: its node reports it. One that is being made or was removed is not, and keeps its
    records. ``definition`` is what its file on the node says, ``None`` where that cannot be told.
    ``starts`` counts the starts ordered here: members of a database cluster notice that two of them
    decide the same only by a row that both change.

    ``battery`` is the one that a person said is on it; nothing starts with another. ``activity`` is
    of the running experiment (``running``, ``paused``, ``held``, ``waiting``; empty without one),
    ``waits_for`` what a person is to do then. ``lock_by``: who keeps anything from starting, empty
    for nobody. ``warnings``: sentences about what to see to while all goes on.
    """

    class State(models.TextChoices):
        """As the node reports it."""

        DOWN = "down", "Down"
        LOST = "lost", "Device lost"
        IDLE = "idle", "Idle"
        RUNNING = "running", "Running"
        FAULT = "fault", "Fault"

    node = models.ForeignKey(Node, models.CASCADE, related_name="stations")
    slug = models.CharField(max_length=63)
    name = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State)
    state_reason = models.CharField(max_length=1000, blank=True)
    running_experiment = models.UUIDField(null=True, blank=True)
    device = models.CharField(max_length=200, blank=True)
    channels = models.JSONField(default=list)
    voltage_min = models.FloatField(null=True, blank=True)
    voltage_max = models.FloatField(null=True, blank=True)
    current_min = models.FloatField(null=True, blank=True)
    current_max = models.FloatField(null=True, blank=True)
    power_min = models.FloatField(null=True, blank=True)
    power_max = models.FloatField(null=True, blank=True)
    period_ms = models.PositiveIntegerField()
    time_scale = models.FloatField(default=1.0)
    present = models.BooleanField(default=True)
    definition = models.JSONField(null=True, blank=True)
    starts = models.PositiveBigIntegerField(default=0, editable=False)
    battery = models.ForeignKey(
        "lab.Battery", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    battery_confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    battery_confirmed_at = models.DateTimeField(null=True, blank=True)
    activity = models.CharField(max_length=8, blank=True)
    waits_for = models.CharField(max_length=500, blank=True)
    lock_by = models.CharField(max_length=150, blank=True)
    lock_note = models.CharField(max_length=500, blank=True)
    lock_at = models.DateTimeField(null=True, blank=True)
    warnings = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["node", "slug"], name="station_is_unique_on_node")
        ]

    def __str__(self) -> str:
        return self.name

    def spec(self) -> StationSpec:
        """What the compiler needs to know."""
        # One that has never told of itself may have any, and one whose device was never found tells
        # of its meters alone: only while it is idle it is sure to have found it, as a latched fault
        # and a run that is to go on are told before that.
        told = bool(self.device or (self.channels and self.state == self.State.IDLE))
        return StationSpec(
            name=self.name,
            channels=tuple(one["name"] for one in self.channels) if told else None,
            limits=Limits(
                voltage_min=self.voltage_min,
                voltage_max=self.voltage_max,
                current_min=self.current_min,
                current_max=self.current_max,
                power_min=self.power_min,
                power_max=self.power_max,
            ),
        )

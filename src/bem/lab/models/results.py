"""What experiments yield: samples, their roll-ups, events, and results per step and cycle."""

from django.db import models

from bem.lab.models.experiments import Experiment


class Sample(models.Model):
    """One recorded reading. Clustered by experiment and number, as it is written and read.

    µs since the run began, V, A, W, Ah, Wh. ``extra`` has one entry (or ``null``) per further
    channel in the order of ``Experiment.channels``.
    """

    pk = models.CompositePrimaryKey("experiment_id", "seq")
    experiment = models.ForeignKey(Experiment, models.CASCADE, db_index=False, related_name="+")
    seq = models.BigIntegerField()
    elapsed_us = models.BigIntegerField()
    step = models.PositiveIntegerField()
    cycle = models.PositiveIntegerField()
    voltage = models.FloatField()
    current = models.FloatField()
    power = models.FloatField()
    charge_in = models.FloatField()
    charge_out = models.FloatField()
    energy_in = models.FloatField()
    energy_out = models.FloatField()
    extra = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.experiment_id}/{self.seq}"


class Bucket(models.Model):
    """Roll-up of the samples of one stretch of time, so that any plot costs the same.

    ``level`` L covers 10**L seconds; ``number`` is elapsed time divided by that. ``figures`` has,
    for voltage, current, power and each further channel in order,
    [count, first, min, max, mean, last], or ``null`` for a channel without readings.
    """

    pk = models.CompositePrimaryKey("experiment_id", "level", "number")
    experiment = models.ForeignKey(Experiment, models.CASCADE, db_index=False, related_name="+")
    level = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    first_elapsed_us = models.BigIntegerField()
    last_elapsed_us = models.BigIntegerField()
    figures = models.JSONField()

    def __str__(self) -> str:
        return f"{self.experiment_id}/{self.level}/{self.number}"


class Event(models.Model):
    """Something that happened in a run, at an instant."""

    class Severity(models.TextChoices):
        """How much a person must care."""

        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    pk = models.CompositePrimaryKey("experiment_id", "seq")
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, db_index=False, related_name="events"
    )
    seq = models.BigIntegerField()
    elapsed_us = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=32)
    severity = models.CharField(max_length=8, choices=Severity)
    message = models.CharField(max_length=1000)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["experiment_id", "seq"]

    def __str__(self) -> str:
        return self.message


class StepResult(models.Model):
    """One step that ended: how long it took, why it ended, what was moved (Ah, Wh)."""

    pk = models.CompositePrimaryKey("experiment_id", "event_seq")
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, db_index=False, related_name="step_results"
    )
    event_seq = models.BigIntegerField()
    step = models.PositiveIntegerField()
    cycle = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    end = models.CharField(max_length=200)
    ended_elapsed_us = models.BigIntegerField()
    duration_us = models.BigIntegerField()
    voltage = models.FloatField()
    current = models.FloatField()
    charge_in = models.FloatField()
    charge_out = models.FloatField()
    energy_in = models.FloatField()
    energy_out = models.FloatField()

    class Meta:
        ordering = ["experiment_id", "event_seq"]

    def __str__(self) -> str:
        return f"{self.experiment_id}: step {self.step}, cycle {self.cycle}"


class CycleResult(models.Model):
    """One cycle that ended: its duration and throughput (Ah, Wh)."""

    pk = models.CompositePrimaryKey("experiment_id", "cycle")
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, db_index=False, related_name="cycle_results"
    )
    cycle = models.PositiveIntegerField()
    duration_us = models.BigIntegerField()
    charge_in = models.FloatField()
    charge_out = models.FloatField()
    energy_in = models.FloatField()
    energy_out = models.FloatField()

    class Meta:
        ordering = ["experiment_id", "cycle"]

    def __str__(self) -> str:
        return f"{self.experiment_id}: cycle {self.cycle}"

    @property
    def coulombic_efficiency(self) -> float | None:
        """Charge out over charge in; ``None`` for a cycle without charging."""
        return self.charge_out / self.charge_in if self.charge_in > 0 else None

    @property
    def energy_efficiency(self) -> float | None:
        """Energy out over energy in; ``None`` for a cycle without charging."""
        return self.energy_out / self.energy_in if self.energy_in > 0 else None

"""What a battery was last measured to hold."""

from datetime import datetime
from typing import NamedTuple

from bem.lab.models import Battery, CycleResult, Event, Experiment


class Measured(NamedTuple):
    """A discharge capacity in Ah, when its cycle ended, and in which experiment."""

    capacity: float
    at: datetime
    experiment: Experiment


def measured_capacity(battery: Battery) -> Measured | None:
    """Get what the newest complete cycle of a battery discharged; ``None`` if there is none."""
    newest = (
        CycleResult.objects.filter(
            experiment__battery=battery, charge_out__gt=0, experiment__started_at__isnull=False
        )
        .select_related("experiment")
        .order_by("-experiment__started_at", "-experiment_id", "-cycle")
        .first()
    )
    if newest is None:
        return None
    run = newest.experiment
    ended = (
        Event.objects.filter(experiment=run, kind="cycle_ended", data__cycle=newest.cycle)
        .values_list("at", flat=True)
        .last()
    )
    at = ended or run.ended_at or run.started_at or run.created_at
    return Measured(newest.charge_out, at, run)

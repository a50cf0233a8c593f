"""Fetch a row to decide about it, and keep everybody else waiting until that is done."""

from bem.lab.models import Experiment, Station
from bem.lab.operations.errors import refusal


def lock_experiment(experiment: Experiment) -> Experiment:
    """Get an experiment as it is now, for this transaction alone.

    Raises:
        OperationRefused: it is not there any more.
    """
    try:
        return Experiment.objects.select_for_update().get(pk=experiment.pk)
    except Experiment.DoesNotExist:
        raise refusal(f"experiment “{experiment}” is not there any more") from None


def lock_station(station: Station) -> Station:
    """Get a station as it is now, for this transaction alone.

    Raises:
        OperationRefused: it is not there any more, or its node does not report it.
    """
    # The station's row alone: a join would lock its node's too, which each status changes.
    kept = Station.objects.select_for_update().filter(pk=station.pk).first()
    if kept is None or not kept.present:
        raise refusal(f"“{station}” is not there any more: its node does not report it")
    return kept


def said(experiment: Experiment) -> str:
    """Say the status of an experiment as it stands in a sentence."""
    return experiment.get_status_display().lower()

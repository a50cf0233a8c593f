"""The REST API for what is recorded."""

from typing import Annotated

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema

from bem.lab.models import Experiment
from bem.lab.rights import Role, require
from bem.lab.series import MAX_POINTS, series

router = Router(tags=["experiments"])

Points = Annotated[int, Query(ge=1, le=MAX_POINTS)]


class ChannelColumn(Schema):
    """One channel: what it is, and its values in the order of ``elapsed_s``.

    ``min`` and ``max`` are null where every point is one sample.
    """

    name: str
    unit: str
    title: str
    mean: list[float | None]
    min: list[float | None] | None
    max: list[float | None] | None


class SeriesColumns(Schema):
    """A window of a run as columns. ``bucket_s`` is the time one point covers; 0: a sample."""

    start_us: int
    end_us: int
    bucket_s: float
    elapsed_s: list[float]
    channels: list[ChannelColumn]


@router.get(
    "/experiments/{experiment_id}/series",
    response=SeriesColumns,
    summary="Columns for a plot of one experiment",
)
def experiment_series(
    request: HttpRequest,
    experiment_id: int,
    begin: Annotated[float | None, Query(alias="from", ge=0, le=1e10)] = None,
    end: Annotated[float | None, Query(alias="to", ge=0, le=1e10)] = None,
    points: Points = 2000,
) -> dict[str, object]:
    """Get at most ``points`` points between ``from`` and ``to`` (s since the run began)."""
    require(request.user, Role.VIEWER)
    run = get_object_or_404(Experiment, pk=experiment_id)
    return series(run, _us(begin), _us(end), points).as_json()


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)

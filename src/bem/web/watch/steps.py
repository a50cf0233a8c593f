"""At which step a run is, as far as the pages know."""

from collections.abc import Iterable
from dataclasses import dataclass

from bem.lab.models import Event, Experiment
from bem.web.watch.newest import Newest


@dataclass(frozen=True, slots=True)
class Present:
    """The present step of a run."""

    number: int
    title: str


def present_step(
    running: Experiment | None, heard: tuple[Newest, float] | None, newest_first: Iterable[Event]
) -> Present | None:
    """Get the present step, by the newest word of the station or else by the run's events."""
    if running is None:
        return None
    live = heard[0].live if heard is not None else None
    if live is not None and live.experiment == running.uuid and live.step is not None:
        return Present(live.step, live.step_title or "")
    for event in newest_first:
        if event.kind == "step_started" and isinstance(event.data.get("step"), int):
            return Present(event.data["step"], str(event.data.get("title", "")))
    return None

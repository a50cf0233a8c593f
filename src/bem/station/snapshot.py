"""What others may see of the control loop: replaced whole at every pass, rendered when asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from bem.domain.program import StepOp
from bem.runtime.local import (
    Activity,
    ChannelDescription,
    Description,
    Live,
    LockDescription,
    StationState,
)
from bem.station.clock import instant_text
from bem.station.run import further_channels
from bem_drivers.base import Channel, Ratings


@dataclass(frozen=True, slots=True)
class RunView:
    """The running experiment as of the newest reading."""

    experiment: UUID
    elapsed_us: int
    step: StepOp | None
    step_elapsed_us: int
    cycle: int
    activity: Activity = "running"
    waits_for: str = ""

    @property
    def told(self) -> tuple[object, ...]:
        """What of it is told besides readings."""
        return (self.experiment, self.activity, self.waits_for)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The station at one pass. ``values`` is empty when nothing is known, never the last known."""

    state: StationState = "lost"
    reason: str = "the station is starting"
    device: str = ""
    channels: tuple[Channel, ...] = ()
    ratings: Ratings | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    measured_at: datetime | None = None
    output_on: bool | None = None
    run: RunView | None = None
    lock: LockDescription | None = None
    warnings: tuple[str, ...] = ()
    revision: int = 0
    """Changes with what :meth:`description` tells."""

    def description(self) -> Description:
        """Get the answer to ``describe``."""
        ratings = self.ratings
        rated = (
            {}
            if ratings is None
            else {
                "voltage_min": ratings.voltage_min,
                "voltage_max": ratings.voltage_max,
                "current_min": ratings.current_min,
                "current_max": ratings.current_max,
                "power_min": ratings.power_min,
                "power_max": ratings.power_max,
            }
        )
        return Description(
            state=self.state,
            reason=self.reason,
            experiment=None if self.run is None else self.run.experiment,
            device=self.device,
            channels=tuple(
                ChannelDescription(name=one.name, unit=one.unit, title=one.title)
                for one in further_channels(self.channels)
            ),
            activity=None if self.run is None else self.run.activity,
            waits_for="" if self.run is None else self.run.waits_for,
            lock=self.lock,
            warnings=self.warnings,
            **rated,
        )

    def live(self) -> Live:
        """Get the answer to ``live``."""
        run = self.run
        step = None if run is None else run.step
        return Live(
            state=self.state,
            measured_at=None if self.measured_at is None else instant_text(self.measured_at),
            values=dict(self.values),
            output_on=self.output_on,
            experiment=None if run is None else run.experiment,
            elapsed_us=None if run is None else run.elapsed_us,
            step=None if step is None else step.number,
            step_title=None if step is None else step.title,
            step_elapsed_us=None if run is None else run.step_elapsed_us,
            cycle=None if run is None else run.cycle,
            activity=None if run is None else run.activity,
            revision=self.revision,
        )

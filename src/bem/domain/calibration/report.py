"""What is kept of a calibration check."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bem.domain.calibration.course import Point, Quantity, Skipped
from bem.domain.calibration.firmware import Constants
from bem.domain.calibration.fit import Fit
from bem.domain.calibration.judging import Accuracy, Factors, Verdict
from bem.domain.limits import Limits

DEFAULT_INTERVAL_DAYS = 365
MOST_INTERVAL_DAYS = 3650


class Instrument(BaseModel):
    """An instrument as it names itself. An empty string is a fact that it does not tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: str
    make: str
    model: str
    serial: str = ""
    firmware: str = ""

    def __str__(self) -> str:
        title = f"{self.make} {self.model}".strip() or self.driver
        if self.serial:
            title += f", serial number {self.serial}"
        if self.firmware:
            title += f", firmware {self.firmware}"
        return title

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same instrument: a new firmware is still the same."""
        return (self.make, self.model, self.serial)


class Reference(BaseModel):
    """The reference meter, by what it tells and by what the operator says of it.

    ``serial``: as on its certificate. ``accuracy``: limits of its error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    instrument: Instrument
    channel: str
    serial: str
    accuracy: Accuracy


class Report(BaseModel):
    """A calibration check, whole. Values in V or A by ``quantity``, instants in UTC.

    ``source``: what stepped the voltage while the device was off; ``None``: the device itself.
    ``firmware``: for an EPC whose present constants were given, those that would make it right;
    ``firmware_note``: why there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    made_at: AwareDatetime
    operator: str = Field(min_length=1, max_length=100)
    note: str = Field(default="", max_length=1000)
    station: str = ""
    quantity: Quantity
    device: Instrument
    reference: Reference
    source: Instrument | None = None
    limits: Limits
    readings_per_point: int
    points: tuple[Point, ...]
    skipped: tuple[Skipped, ...] = ()
    fit: Fit
    factors: Factors
    tolerance: Accuracy
    verdict: Verdict
    firmware_present: Constants | None = None
    firmware: Constants | None = None
    firmware_note: str = ""
    due: date

    def is_overdue(self, now: datetime) -> bool:
        """Whether it should have been repeated: the day it is due is still in time (UTC)."""
        return now.astimezone(UTC).date() > self.due

    @property
    def name(self) -> str:
        """A name for its files, which sorts by time."""
        device = "-".join(part for part in self.device.key if part) or self.device.driver
        slug = re.sub("[^a-z0-9]+", "-", device.lower()).strip("-")[:60]
        return f"{self.made_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{slug}-{self.quantity}"


class _Of(NamedTuple):
    key: tuple[str, str, str]
    quantity: Quantity


def newest(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Get of each device and quantity the newest report, in the order of their due dates."""
    found: dict[_Of, Report] = {}
    for report in sorted(reports, key=lambda one: one.made_at):
        found[_Of(report.device.key, report.quantity)] = report
    return tuple(sorted(found.values(), key=lambda one: (one.due, one.name)))


def overdue(
    reports: Sequence[Report], key: tuple[str, str, str], now: datetime
) -> tuple[Report, ...]:
    """Get the newest reports of one device that are overdue, by quantity."""
    return tuple(one for one in newest(reports) if one.device.key == key and one.is_overdue(now))


def due_date(made_at: datetime, interval_days: int) -> date:
    """Get when a check is to be repeated, in UTC.

    Raises:
        ValueError: an interval that is not 1 to 3650 days.
    """
    if not 1 <= interval_days <= MOST_INTERVAL_DAYS:
        raise ValueError(f"an interval of {interval_days} days: choose 1 to {MOST_INTERVAL_DAYS}")
    return (made_at.astimezone(UTC) + timedelta(days=interval_days)).date()

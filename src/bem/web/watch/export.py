"""Samples as CSV, by the column names of the Battery Data Format."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bem.lab.models import Experiment, Sample

ROWS = 2000
"""Rows read at a time; all that is ever in memory."""

_US_PER_SECOND = 1_000_000
_HEADER = (
    "Test Time / s",
    "Unix Time / s",
    "Step Index / 1",
    "Cycle Count / 1",
    "Voltage / V",
    "Current / A",
    "Power / W",
    "Charging Capacity / Ah",
    "Discharging Capacity / Ah",
    "Charging Energy / Wh",
    "Discharging Energy / Wh",
)
_FIELDS = (
    "elapsed_us",
    "step",
    "cycle",
    "voltage",
    "current",
    "power",
    "charge_in",
    "charge_out",
    "energy_in",
    "energy_out",
    "extra",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file of one line: what csv wrote last."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def samples_as_csv(experiment: Experiment) -> Iterator[str]:
    """Write all samples of an experiment, header first, in pieces of some thousand lines."""
    line = _Line()
    writer = csv.writer(line)
    channels = [_heading(channel) for channel in experiment.channels]
    writer.writerow([*_HEADER, *channels])
    yield line.text
    started_us = _started_us(experiment)
    seq = 0
    while True:
        rows = list(
            Sample.objects.filter(experiment_id=experiment.pk, seq__gte=seq)
            .order_by("seq")
            .values_list("seq", *_FIELDS)[:ROWS]
        )
        if not rows:
            return
        seq = rows[-1][0] + 1
        piece = []
        for _, elapsed_us, step, cycle, *figures, extra in rows:
            unix = (
                ""
                if started_us is None
                else _seconds(started_us + round(elapsed_us / experiment.time_scale))
            )
            further = [_number(value) for value in extra]
            further += [""] * (len(channels) - len(further))
            writer.writerow(
                [
                    _seconds(elapsed_us),
                    unix,
                    step,
                    cycle,
                    *(_number(value) for value in figures),
                    *further[: len(channels)],
                ]
            )
            piece.append(line.text)
        yield "".join(piece)


def file_name(experiment: Experiment) -> str:
    """Get a name for the file that any system can store."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", experiment.name).strip("-") or "experiment"
    return f"{experiment.pk}-{plain[:60]}.bdf.csv"


def _heading(channel: dict[str, str]) -> str:
    """Name a further channel; a spreadsheet must not take the name for a formula."""
    heading = f"{channel['title'] or channel['name']} / {channel['unit']}"
    return f"'{heading}" if heading.startswith(_FORMULA) else heading


def _started_us(experiment: Experiment) -> int | None:
    if experiment.started_at is None:
        return None
    return (experiment.started_at - _EPOCH) // timedelta(microseconds=1)


def _seconds(microseconds: int) -> str:
    """Write µs as seconds; in whole numbers, so that no digit is lost."""
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(microseconds), _US_PER_SECOND)
    return f"{sign}{whole}.{rest:06}"


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))

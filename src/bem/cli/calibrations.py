"""``bem calibrations``: what was checked on this machine, and what is overdue."""

import json
import sys
from datetime import UTC, datetime

from bem.domain.calibration.report import Report, newest
from bem.runtime.settings import Settings
from bem.station.calibration.store import CalibrationStore

EXIT_IN_TIME = 0
EXIT_OVERDUE = 1


def list_calibrations(settings: Settings, *, as_json: bool, now: datetime | None = None) -> int:
    """Write the newest check of each device and quantity, the one due first in front.

    Returns:
        The exit code: 1 if one is overdue or a report cannot be read, else 0.
    """
    now = datetime.now(UTC) if now is None else now
    kept = CalibrationStore(settings.calibrations).read()
    found = newest(kept.reports)
    if as_json:
        rows = [
            one.model_dump(mode="json", include={"made_at", "operator", "quantity", "device"})
            | {"verdict": one.verdict, "due": str(one.due), "overdue": one.is_overdue(now)}
            for one in found
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        head = f"{'due':<10}  {'':<7}  {'made':<10}  {'quantity':<14}  {'verdict':<9}  device"
        sys.stdout.write("\n".join([head, *(_line(one, now) for one in found)]) + "\n")
    for trouble in kept.unreadable:
        sys.stderr.write(f"bem: a report cannot be read: {trouble}\n")
    late = any(one.is_overdue(now) for one in found)
    return EXIT_OVERDUE if late or kept.unreadable else EXIT_IN_TIME


def _line(report: Report, now: datetime) -> str:
    late = "OVERDUE" if report.is_overdue(now) else ""
    made = f"{report.made_at.astimezone(UTC):%Y-%m-%d}"
    return (
        f"{report.due}  {late:<7}  {made}  {report.quantity.in_words:<14}  {report.verdict:<9}  "
        f"{report.device}"
    )

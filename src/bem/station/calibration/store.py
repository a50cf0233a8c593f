"""Where reports are kept: two files each, one for programs and one for people."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from bem.domain.calibration.report import Report, overdue
from bem.domain.calibration.text import render

_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


class StoreError(Exception):
    """A report that cannot be kept. The message names the file and the cause."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All reports that could be read, and of each file that could not, why."""

    reports: tuple[Report, ...]
    unreadable: tuple[str, ...] = ()


class CalibrationStore:
    """The reports of one machine in ``folder``, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make sure that a report could be kept, before anything is switched on for it.

        Raises:
            StoreError: the folder cannot be made, or not be written to.
        """
        try:
            self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied", str(self.folder))
        except OSError as error:
            raise StoreError(_cannot_write(self.folder, error)) from error

    def keep(self, report: Report) -> tuple[Path, Path]:
        """Write a report down; gives its two files: JSON and Markdown.

        Raises:
            StoreError: it cannot be written, or there is one of this name.
        """
        self.prepare()
        data, text = (self.folder / f"{report.name}{end}" for end in (".json", ".md"))
        try:
            _write(text, render(report))
            # Last and whole, because it is what counts.
            part = data.with_suffix(".part")
            _write(part, report.model_dump_json(indent=2) + "\n")
            part.rename(data)
        except OSError as error:
            raise StoreError(_cannot_write(self.folder, error)) from error
        return data, text

    def read(self) -> Kept:
        """Read all reports, in the order of their names, which is that of their time."""
        reports, unreadable = [], []
        try:
            paths = sorted(self.folder.glob("*.json"))
        except OSError as error:
            return Kept((), (f"{self.folder}: {error.strerror}",))
        for path in paths:
            try:
                reports.append(Report.model_validate_json(path.read_bytes()))
            except OSError as error:
                unreadable.append(f"{path}: {error.strerror}")
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"])) or "the file"
                unreadable.append(f"{path}: {where}: {first['msg']}")
        return Kept(tuple(reports), tuple(unreadable))


@dataclass(frozen=True, slots=True)
class Reminder:
    """What is known of calibrations when a station starts; asked without touching the disk."""

    kept: Kept

    def due(self, key: tuple[str, str, str], now: datetime) -> tuple[str, ...]:
        """Say what is overdue of a device (make, model, serial), a sentence each."""
        return tuple(
            f"the {report.quantity.in_words} of {report.device} was due for calibration on "
            f"{report.due}; it was last checked on {report.made_at:%Y-%m-%d}: run bem calibrate"
            for report in overdue(self.kept.reports, key, now)
        )


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _cannot_write(folder: Path, error: OSError) -> str:
    return (
        f"cannot write {error.filename or folder}: {error.strerror}; run this as the user bem, "
        "and see that the disk has room"
    )

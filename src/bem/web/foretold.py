"""What a dry run foretold of an experiment, as it is kept and as it is shown."""

from dataclasses import dataclass

from pydantic import ValidationError

from bem.dryrun import DryRun
from bem.web.records.outline import in_words


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a dry run ended, in a tone and a sentence."""

    tone: str
    icon: str
    text: str


def read_dry_run(kept: object) -> DryRun | None:
    """Read what is kept with an experiment; ``None`` if nothing is, or of no known version."""
    if kept is None:
        return None
    try:
        return DryRun.model_validate(kept)
    except ValidationError:
        return None


def verdict_of(run: DryRun) -> Verdict:
    """Say what a person should know first."""
    if run.trips:
        return Verdict(
            "red", "alert-triangle", f"It would run into a limit: {run.trips[0].message}"
        )
    if run.cut_off is not None:
        return Verdict("orange", "clock", f"Not calculated to the end: {run.cut_off}")
    if run.ending == "failed":
        return Verdict("orange", "alert-circle", f"It would end as failed: {run.reason}")
    return Verdict("green", "circle-check", f"It would finish after {in_words(run.duration_s)}")

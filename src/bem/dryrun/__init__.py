"""Dry runs: a program carried out on a battery model before anything is queued."""

from bem.dryrun.batteries import assumptions, model_of
from bem.dryrun.results import DryRun, ExpectedCurve
from bem.dryrun.run import dry_run

__all__ = ["DryRun", "ExpectedCurve", "assumptions", "dry_run", "model_of"]

"""What would happen if the form of an experiment was queued as it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bem.domain.profile.text import read_profile
from bem.dryrun import DryRun
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.fitting import compile_or_refuse
from bem.web.dry_runs import DRY_RUNS, Busy
from bem.web.foretold import Verdict, verdict_of
from bem.web.records.experiment_form import changed_parameters, read_limits
from bem.web.records.forms import row_in
from bem.web.records.outline import Outline, outline_of_profile, outline_of_program

_MOST_KEPT = 200
"""Passes of steps, and cycles, that are kept one by one with an experiment."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """The dry run, or why there is none. ``outline`` is in amperes where it compiles."""

    run: DryRun | None = None
    verdict: Verdict | None = None
    outline: Outline | None = None
    in_amperes: bool = False
    problems: tuple[str, ...] = ()


def foretell(typed: Mapping[str, Any]) -> Foretold:
    """Compile what was typed and carry it out on a model of the battery."""
    batteries = Battery.objects.select_related("lithium", "lead_acid", "redox_stack")
    battery = row_in(typed, "battery", batteries)
    station = row_in(typed, "station", Station.objects.all())
    profile = row_in(typed, "profile", Profile.objects.all())
    if profile is None:
        return Foretold()
    parsed, _ = read_profile(profile.text)
    if battery is None or station is None:
        return Foretold(outline=outline_of_profile(parsed))
    limits, problems = read_limits(str(typed.get("limits", "")))
    try:
        program = compile_or_refuse(
            profile,
            battery,
            station,
            parameters=changed_parameters(typed, profile),
            capacity_source=str(typed.get("capacity_source", Experiment.CapacitySource.NOMINAL)),
        )
    except OperationRefused as refused:
        reasons = [reason for reasons in refused.problems.values() for reason in reasons]
        return Foretold(outline=outline_of_profile(parsed), problems=(*problems, *reasons))
    outline = outline_of_program(parsed, program)
    if problems:
        return Foretold(outline=outline, in_amperes=True, problems=tuple(problems))
    try:
        run = DRY_RUNS.run(program, battery, limits)
    except Busy:
        busy = "Others are calculating theirs: change something, or come again in a moment."
        return Foretold(outline=outline, in_amperes=True, problems=(busy,))
    return Foretold(run, verdict_of(run), outline, in_amperes=True)


def as_kept(run: DryRun) -> dict[str, Any]:
    """Write down a dry run, of long ones only the beginning one by one; the curve is whole."""
    short = run.model_copy(
        update={"steps": run.steps[:_MOST_KEPT], "cycles": run.cycles[:_MOST_KEPT]}
    )
    return short.model_dump(mode="json")

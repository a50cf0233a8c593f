"""The limits of a run beside its trip limits: of profile, experiment and step, some delayed."""

from collections.abc import Mapping

from bem.domain.limits import LimitWatch, Progress
from bem.station.run import Run


class RunLimits:
    """Watches the limits of one run, reading by reading."""

    def __init__(self, run: Run) -> None:
        self._watch = LimitWatch((*run.program.limits, *run.limits))

    def judge(self, run: Run, values: Mapping[str, float], at_ns: int) -> tuple[str, ...]:
        """Judge a reading (channel name to value) of ``at_ns``; says which limits it breaks."""
        of_step = () if run.step is None else run.step.limits
        if not of_step and not self._watch.of_run:
            return ()
        state, elapsed_us = run.state, run.elapsed_us(at_ns)
        in_step = state.moved.since(state.moved_before_step)
        progress = Progress(
            elapsed_us=elapsed_us,
            charge=state.moved.charge_in - state.moved.charge_out,
            step_started_us=state.step_started_us,
            step_us=state.step_elapsed_us(elapsed_us),
            step_charge=in_step.charge_in - in_step.charge_out,
        )
        self._watch, broken = self._watch.judge(values, progress, of_step)
        return tuple(str(one) for one in broken)

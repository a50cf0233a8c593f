"""The limits of a run beside its trip limits: of profile, experiment and step, some delayed."""

from collections.abc import Mapping

from bem.domain.limits import LimitWatch
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
        progress = run.state.progress(run.elapsed_us(at_ns))
        self._watch, broken = self._watch.judge(values, progress, of_step)
        return tuple(str(one) for one in broken)

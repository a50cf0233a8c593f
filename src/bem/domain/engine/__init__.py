"""The step engine: carries out a program, one reading at a time.

Pure. It is given its state and a reading, and returns the next state, the set point that the power
path shall hold, and what happened. It owns no clock: time is the ``elapsed_us`` of the readings,
whole microseconds since the run began, so that nothing drifts over months.

End conditions are tested by level at every reading, never by edge. A step that ends hands over to
the next at the same reading; the next is judged from the following reading on, so that every step
gets at least one reading of its own. Limits are not the engine's: see
:class:`bem.domain.limits.LimitWatch`.
"""

from bem.domain.engine.courses import next_change_us, setpoint_at
from bem.domain.engine.observing import SETTLE_READINGS, SETTLE_US
from bem.domain.engine.orders import (
    change_ends,
    continue_after_gap,
    hold,
    pause,
    resume,
    skip,
)
from bem.domain.engine.slope import SLOPE_WINDOW_US
from bem.domain.engine.state import (
    Activity,
    Ended,
    EngineState,
    LoopState,
    NotNow,
    Outcome,
    Reading,
)
from bem.domain.engine.stepping import advance, begin, current_step, expected_setpoint
from bem.domain.engine.walking import MOST_IDLE_STEPS

__all__ = [
    "MOST_IDLE_STEPS",
    "SETTLE_READINGS",
    "SETTLE_US",
    "SLOPE_WINDOW_US",
    "Activity",
    "Ended",
    "EngineState",
    "LoopState",
    "NotNow",
    "Outcome",
    "Reading",
    "advance",
    "begin",
    "change_ends",
    "continue_after_gap",
    "current_step",
    "expected_setpoint",
    "hold",
    "next_change_us",
    "pause",
    "resume",
    "setpoint_at",
    "skip",
]

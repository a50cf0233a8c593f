"""What holds for every profile that compiles."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile, describe
from bem.domain.engine import Outcome, Reading, advance, begin, next_change_us, resume
from bem.domain.limits import Limits
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.text import parse_profile
from bem.domain.program import Mode, Program, Setpoint

LIMITS = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=4)
BATTERY = BatterySpec(name="X", technology=Technology.LITHIUM, capacity=2.5, limits=LIMITS)
STATION = StationSpec(
    name="S",
    limits=Limits(
        voltage_min=0, voltage_max=5, current_min=-4, current_max=6, power_min=-15, power_max=14
    ),
)
BOUNDS = {Mode.CC: (-4.0, 4.0), Mode.CV: (2.5, 4.2), Mode.CP: (-15.0, 14.0), Mode.REST: (0.0, 0.0)}
S = 1_000_000

STEPS = st.sampled_from(
    (
        "Rest for 1 h",
        "Rest until dV/dt below 2 mV/min",
        "Charge at 1C until 4.1 V",
        "Charge at 1C until 4.1 V then go to last or for 10 min",
        "Charge at 5 W until 4.0 V or 1 Ah then stop",
        "Charge at 2 A until voltage falls by 10 mV or for 20 min",
        "Charge at 1 A until 3.9 W or for 2 h then fail",
        "Hold at 4.1 V until C/20 or for 2 h",
        "Hold at 3 V until power below 0.5 W or for 1 h",
        "Discharge at 1C until 2.6 V",
        "Discharge at 2 ohm until 2.6 V",
        "Discharge at 2 ohm until 1.5 A or 3 V then go to last",
        "Discharge at 3 W until 1 Wh or 2.6 V",
        "Discharge at 1 A until temperature above 40 degC or 2.7 V",
        "Discharge at 9 A until 2.6 V",
        "Charge at 6 A for 1 min",
        'Pause "turn it"',
        'Pause "turn it" for 10 min then go to last',
        "Drive current 2 times:\n{lead}    0 1\n{lead}    60 -2.5\n{lead}    120 0",
        "Drive power until voltage below 2.6 V:\n{lead}    0 5\n{lead}    600 -6",
        "Pulse 5 times until 2.6 V:\n{lead}    Discharge at 1C for 30 s\n{lead}    Rest for 1 min",
    )
)
HEADS = st.sampled_from(
    (
        "Repeat 3 times:",
        "Repeat 2 times:",
        "Repeat at most 4 times until capacity below 80 % of the first cycle:",
        "Repeat until charge capacity below 500 mAh:",
        "Repeat forever:",
    )
)


@st.composite
def texts(draw: st.DrawFn, depth: int = 0) -> str:
    """Steps in loops; jumps go to the last step."""
    lead = "    " * depth
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        if depth < 2 and draw(st.integers(0, 2)) == 0:
            lines.append(f"{lead}{draw(HEADS)}\n{draw(texts(depth + 1))}")
        else:
            lines.append(f"{lead}{draw(STEPS).replace('{lead}', lead)}\n")
    return "".join(lines) + ("last: Rest for 1 min\n" if depth == 0 else "")


class Cell:
    """A capacitor of 2.5 Ah between 2.4 V and 4.3 V behind 50 mohm, which warms as it is used."""

    resistance = 0.05

    def __init__(self) -> None:
        self.charge = 1.2
        self.at_us = 0
        self.current = 0.0

    @property
    def inner(self) -> float:
        """Voltage without current, V."""
        return 2.4 + 1.9 * self.charge / 2.5

    def read(self, at_us: int, setpoint: Setpoint) -> Reading:
        """Let the set point act until an instant, and read there."""
        self.charge += self.current * (at_us - self.at_us) / 3.6e9
        self.at_us = at_us
        self.current = self._current(setpoint)
        voltage = self.inner + self.resistance * self.current
        return Reading(at_us, voltage, self.current, {"temperature_1": 25 + 5 * abs(self.current)})

    def _current(self, setpoint: Setpoint) -> float:
        match setpoint.mode:
            case Mode.REST:
                return 0.0
            case Mode.CC:
                return setpoint.value
            case Mode.CV:
                return (setpoint.value - self.inner) / self.resistance
            case Mode.CP:
                return setpoint.value / self.inner
            case Mode.CR:
                return -self.inner / (setpoint.value + self.resistance)


def run(program: Program, most: int) -> Iterator[Outcome]:
    """Run a program on the cell, resuming each pause, for at most so many readings."""
    cell = Cell()
    outcome = begin(program)
    yield outcome
    for _ in range(most):
        state = outcome.state
        if outcome.finished or state.position is None:
            return
        step = program.operations[state.position]
        assert step.op == "step"
        # As a dry run does it: fine steps while the power path settles, then coarse ones.
        pace = S // 2 if state.flow_readings < 4 else 30 * S
        change = next_change_us(step, state.step_us)
        if change is not None:
            pace = min(pace, change - state.step_us)
        reading = cell.read(state.at_us + pace, outcome.setpoint)
        if state.activity == "waiting":
            outcome = resume(program, state, reading, "ann", "")
        else:
            outcome = advance(program, state, reading)
        yield outcome


@settings(deadline=None, max_examples=60)
@given(texts())
def test_a_profile_that_compiles_ends_or_says_that_it_is_endless(text: str) -> None:
    profile = parse_profile(text)
    try:
        program = compile_profile(profile, BATTERY, STATION)
    except ProfileErrors as error:
        assert error.problems  # noqa: PT017 - refusing is the other right answer
        return
    figures = describe(profile)
    last: Outcome | None = None
    for outcome in run(program, most=20_000):
        last = outcome
        low, high = BOUNDS.get(outcome.setpoint.mode, (0.0, 1e9))
        assert low <= outcome.setpoint.value <= high
    assert last is not None
    declared = figures.endless or figures.step_runs is None
    assert last.finished or declared, text
    assert last.ended in ("finished", "failed", None)

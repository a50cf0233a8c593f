"""What holds for every program, whatever is read and whatever is ordered."""

import contextlib
import itertools
import json
import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.engine.conftest import S

from bem.domain.engine import (
    EngineState,
    NotNow,
    Outcome,
    Reading,
    advance,
    begin,
    change_ends,
    continue_after_gap,
    expected_setpoint,
    hold,
    pause,
    resume,
    skip,
)
from bem.domain.limits import Limits
from bem.domain.program import (
    Compare,
    Course,
    End,
    LoopEnd,
    LoopOp,
    LoopQuantity,
    Mode,
    Operation,
    Program,
    Quantity,
    Setpoint,
    StepOp,
    Then,
)

OPERATING = Limits(
    voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=4, power_min=-20, power_max=16
)
BOUNDS = {Mode.CC: (-5.0, 4.0), Mode.CV: (2.5, 4.2), Mode.CP: (-20.0, 16.0), Mode.CR: (1.0, 99.0)}
LONGEST_S = 5.0


def _values(mode: Mode) -> st.SearchStrategy[float]:
    return st.floats(*BOUNDS[mode])


SETPOINTS = st.one_of(
    st.just(Setpoint(mode=Mode.REST)),
    *(st.builds(Setpoint, mode=st.just(mode), value=_values(mode)) for mode in BOUNDS),
)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    mode = draw(st.sampled_from((Mode.CC, Mode.CP)))
    values = draw(st.lists(_values(mode), min_size=1, max_size=4))
    return Course(
        mode=mode,
        times_us=tuple(range(0, len(values) * S, S)),
        values=tuple(values),
        pass_us=len(values) * S,
        passes=draw(st.integers(1, 3)),
    )


@st.composite
def ends(draw: st.DrawFn, targets: tuple[int, ...]) -> End:
    then = draw(st.sampled_from(Then))
    if then is Then.GO_TO and not targets:
        then = Then.NEXT
    return End(
        quantity=draw(st.sampled_from(Quantity)),
        compare=draw(st.sampled_from(Compare)),
        threshold=draw(st.floats(0, 10)),
        then=then,
        target=draw(st.sampled_from(targets)) if then is Then.GO_TO else None,
    )


@st.composite
def programs(draw: st.DrawFn, *, forward: bool = False) -> Program:
    """Steps, courses and waits in nested loops; ``forward``: all loops counted, no jump back."""
    shape = draw(_shapes())
    operations: list[Operation] = []
    for index, one in enumerate(shape):
        if isinstance(one, int):
            until = None if forward else draw(st.none() | LOOP_ENDS)
            passes = draw(st.integers(1, 3) if forward else st.none() | st.integers(1, 3))
            operations.append(
                LoopOp(start=one, passes=passes, until=until, counts_cycles=draw(st.booleans()))
            )
            continue
        targets = tuple(target for target in range(len(shape)) if target > index or not forward)
        last = End(
            quantity=Quantity.DURATION,
            compare=Compare.AT_LEAST,
            threshold=draw(st.floats(0.5, LONGEST_S)),
        )
        course = draw(st.none() | courses())
        setpoint = draw(SETPOINTS)
        if course is not None:
            setpoint = Setpoint(mode=course.mode, value=course.values[0])
        operations.append(
            StepOp(
                number=index + 1,
                title="any",
                setpoint=setpoint,
                ends=(*draw(st.lists(ends(targets), max_size=3)), last),
                course=course,
                message=draw(st.sampled_from((None, None, None, "do it")))
                if course is None
                else None,
            )
        )
    return Program(name="any", operations=tuple(operations), operating=OPERATING)


@st.composite
def _shapes(draw: st.DrawFn) -> list[int | None]:
    """``None`` for a step, the first operation of its body for a loop."""
    shape: list[int | None] = []
    open_at: list[int] = []
    for word in draw(st.lists(st.sampled_from(("step", "open", "close")), max_size=12)):
        if word == "step":
            shape.append(None)
        elif word == "open" and len(open_at) < 3:
            open_at.append(len(shape))
        elif word == "close" and open_at and open_at[-1] < len(shape):
            shape.append(open_at.pop())
    return shape or [None]


LOOP_ENDS = st.builds(
    LoopEnd,
    quantity=st.sampled_from(LoopQuantity),
    compare=st.sampled_from(Compare),
    threshold=st.floats(1e-6, 2),
    relative=st.booleans(),
)
VALUES = st.floats(-50, 50)
READINGS = st.lists(
    st.tuples(st.integers(0, 2 * S), VALUES, VALUES, st.floats(-20, 80)), max_size=60
)
Order = Callable[[Program, EngineState, Reading], Outcome]
ORDERS: list[Order] = [
    lambda program, state, reading: pause(program, state, reading.elapsed_us, "ann", ""),
    lambda program, state, reading: hold(program, state, reading.elapsed_us, "ann", ""),
    lambda program, state, reading: resume(program, state, reading, "ann", "go"),
    lambda program, state, reading: skip(program, state, reading, "ann", ""),
    lambda program, state, reading: continue_after_gap(program, state, reading, S, "cut"),
    lambda program, state, _: change_ends(
        program,
        state,
        (End(quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=3.0),),
        "ann",
        "",
    ),
]


def outcomes(
    program: Program,
    values: list[tuple[int, float, float, float]],
    orders: dict[int, Order],
    keep: Callable[[EngineState], EngineState] = lambda state: state,
) -> list[Outcome]:
    """All that the engine says about readings, with an order before some of them."""
    found = [begin(program)]
    elapsed = 0
    for index, (passed, voltage, current, temperature) in enumerate(values):
        elapsed += passed
        reading = Reading(elapsed, voltage, current, {"temperature_1": temperature})
        order = orders.get(index)
        if order is not None:
            with contextlib.suppress(NotNow):
                found.append(order(program, keep(found[-1].state), reading))
        if found[-1].finished:
            break
        found.append(advance(program, keep(found[-1].state), reading))
    return found


WITH_ORDERS = st.dictionaries(st.integers(0, 59), st.sampled_from(ORDERS), max_size=6)


@given(program=programs(), values=READINGS, orders=WITH_ORDERS)
def test_nothing_read_or_ordered_makes_the_engine_command_beyond_the_limits(
    program: Program, values: list[tuple[int, float, float, float]], orders: dict[int, Order]
) -> None:
    for outcome in outcomes(program, values, orders):
        mode, value = outcome.setpoint.mode, outcome.setpoint.value
        low, high = BOUNDS.get(mode, (0.0, 0.0))
        assert low <= value <= high
        assert outcome.setpoint == expected_setpoint(program, outcome.state)
        if outcome.finished or outcome.state.activity in ("paused", "waiting"):
            assert mode is Mode.REST
        assert outcome.finished == (outcome.ended is not None) == bool(outcome.reason)


@given(program=programs(), values=READINGS, orders=WITH_ORDERS)
def test_a_kept_state_is_the_same_to_the_last_bit(
    program: Program, values: list[tuple[int, float, float, float]], orders: dict[int, Order]
) -> None:
    """Kept as text and read again after every reading, the run goes exactly as without."""
    without = outcomes(program, values, orders)
    through_text = outcomes(
        program, values, orders, keep=lambda state: EngineState.from_json(state.to_json())
    )
    assert through_text == without
    for outcome in without:
        text = outcome.state.to_json()
        assert EngineState.from_json(text) == outcome.state
        assert len(json.dumps({**json.loads(text), "loops": {}})) < 2048


@given(program=programs(), values=READINGS, orders=WITH_ORDERS)
def test_times_and_counters_never_go_back(
    program: Program, values: list[tuple[int, float, float, float]], orders: dict[int, Order]
) -> None:
    states = [one.state for one in outcomes(program, values, orders)]
    for before, now in itertools.pairwise(states):
        assert now.at_us >= before.at_us
        assert now.cycle >= before.cycle
        assert 0 <= now.step_us <= now.at_us - now.step_started_us
        for name in ("charge_in", "charge_out", "energy_in", "energy_out"):
            assert getattr(now.moved, name) >= getattr(before.moved, name)
        around = {
            index
            for index, loop in program.loops
            if now.position is not None and loop.start <= now.position <= index
        }
        assert set(now.loops) == around


def _most_steps(program: Program) -> int:
    """How many steps a program runs that does not jump."""
    counts: list[tuple[int, int]] = []
    for index, operation in enumerate(program.operations):
        if isinstance(operation, StepOp):
            counts.append((index, 1))
        else:
            inside = sum(count for first, count in counts if first >= operation.start)
            counts = [one for one in counts if one[0] < operation.start]
            counts.append((operation.start, inside * (operation.passes or 1)))
    return sum(count for _, count in counts)


@given(
    program=programs(forward=True),
    values=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=10),
)
def test_a_program_that_only_counts_and_goes_forward_comes_to_its_end_whatever_is_read(
    program: Program, values: list[tuple[float, float]]
) -> None:
    outcome = begin(program)
    # A jump into a loop begins it with its first pass, so no jump adds a step.
    most = _most_steps(program) * math.ceil(LONGEST_S)
    for n in range(1, most + 1):
        voltage, current = values[n % len(values)]
        outcome = advance(program, outcome.state, Reading(n * S, voltage, current))
        if outcome.finished:
            return
    raise AssertionError(f"still at operation {outcome.state.position} after {most} readings")


def test_a_text_that_is_no_state_is_refused() -> None:
    for text in ("", "[]", "{}", '{"position": 0, "colour": 1}', '{"position": 0, "moved": 3}'):
        try:
            EngineState.from_json(text)
        except ValueError:
            continue
        raise AssertionError(f"{text!r} was taken for a state")

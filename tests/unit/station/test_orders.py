"""Arguments of commands."""

import uuid

import pytest

from bem.station.orders import Refused, StopOrder, parse_order


@pytest.mark.parametrize(
    ("action", "arguments", "reason"),
    [
        ("explode", {}, "no action 'explode'; a station knows start, stop, pause, hold"),
        ("stop", {}, "cannot stop: experiment: Field required"),
        ("stop", {"experiment": "x"}, "cannot stop: experiment: Input should be a valid UUID"),
        (
            "start",
            {"experiment": str(uuid.UUID(int=1)), "name": "n", "program": {"name": "p"}},
            "program.operations: Field required",
        ),
        ("start", {"program": []}, "cannot start: experiment"),
        ("start", {"on_interruption": "retry"}, "on_interruption: Input should be 'resume'"),
        ("pause", {}, "cannot pause: experiment: Field required"),
        ("skip", {"experiment": str(uuid.UUID(int=1))}, "cannot skip: step: Field required"),
        ("change_ends", {"step": 0}, "step: Input should be greater than or equal to 1"),
        ("change_ends", {"ends": [{"quantity": "luck"}]}, "ends.0.quantity"),
        ("lock", {"note": "x" * 501}, "cannot lock: note: String should have at most 500"),
    ],
)
def test_bad_orders_are_refused_for_good(
    action: str, arguments: dict[str, object], reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        parse_order(action, arguments)
    assert reason in str(caught.value)
    assert not caught.value.retry


def test_a_reason_fits_the_wire() -> None:
    reply = Refused("x" * 5000).reply()
    assert len(reply.reason) <= 1000


@pytest.mark.parametrize(
    ("by", "note", "sentence"),
    [
        ("", "", "stopped by command"),
        ("ana", "", "stopped by ana"),
        ("ana", "smoke", "stopped by ana: smoke"),
        ("", "smoke", "stopped by command: smoke"),
    ],
)
def test_a_stop_says_who_and_why(by: str, note: str, sentence: str) -> None:
    order = parse_order("stop", {"experiment": str(uuid.uuid4()), "by": by, "note": note})
    assert isinstance(order, StopOrder)
    assert order.sentence == sentence

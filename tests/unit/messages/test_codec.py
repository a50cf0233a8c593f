"""What is read from the wire, and what is dropped."""

import json
import logging
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.messages import (
    MAX_BYTES,
    BadMessage,
    CommandOrder,
    NodeStatus,
    SampleBatch,
    Topic,
    decode,
    encode,
    parse_topic,
    topic,
)
from bem.runtime.inbox import Inbox

COLUMNS = ("elapsed_us", "step", "cycle")
FIGURES = ("voltage", "current", "power", "charge_in", "charge_out", "energy_in", "energy_out")


def batch(rows: int = 2, **changes: object) -> dict[str, object]:
    columns: dict[str, object] = {name: [1] * rows for name in COLUMNS}
    columns |= {name: [0.5] * rows for name in FIGURES}
    columns["extra"] = {"temperature_body": [None] * rows}
    columns |= changes
    return {
        "v": 1,
        "type": "samples",
        "experiment": str(uuid4()),
        "first_seq": 0,
        "columns": columns,
    }


def test_a_batch_goes_through_the_wire_unchanged() -> None:
    message = SampleBatch.model_validate(batch())
    assert decode(encode(message), SampleBatch) == message


def test_columns_of_different_lengths_are_refused_by_name() -> None:
    with pytest.raises(BadMessage, match="columns differ in length"):
        decode(json.dumps(batch(voltage=[1.0])).encode(), SampleBatch)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_reading_that_is_no_number_is_refused(value: str) -> None:
    text = json.dumps(batch(rows=1)).replace('"voltage": [0.5]', f'"voltage": [{value}]')
    with pytest.raises(BadMessage, match=r"columns\.voltage"):
        decode(text.encode(), SampleBatch)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v": 2}, "v"),
        ({"type": "surprise"}, "type|tag"),
        ({"more": 1}, "more"),
        ({"first_seq": -1}, "first_seq"),
    ],
)
def test_another_version_type_or_key_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(BadMessage, match=said):
        decode(json.dumps(batch() | change).encode(), SampleBatch)


def test_a_message_of_another_direction_is_refused() -> None:
    with pytest.raises(BadMessage, match="samples"):
        decode(json.dumps(batch()).encode(), CommandOrder)


def test_an_oversized_payload_is_not_even_parsed() -> None:
    with pytest.raises(BadMessage, match="bytes"):
        decode(b"[" * (MAX_BYTES + 1), NodeStatus)


def test_what_was_in_a_bad_message_is_not_repeated() -> None:
    with pytest.raises(BadMessage) as refusal:
        decode(json.dumps(batch(voltage="secret words")).encode(), SampleBatch)
    assert "secret words" not in str(refusal.value)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_payload_raises_anything_but_bad_message(payload: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(payload, NodeStatus)


@given(st.text(max_size=80))
def test_topics_of_others_are_none_of_ours(text: str) -> None:
    parsed = parse_topic(text)
    assert parsed is None or topic(*parsed) == text


def test_bad_messages_are_counted_and_logged_once_per_sender(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox = Inbox()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert inbox.read(topic("n1", Topic.STATUS), b"garbage", NodeStatus) is None
        assert inbox.read("bem/v1/nodes/n2/nonsense", b"{}", NodeStatus) is None
    assert inbox.dropped["n1"] == 5
    assert len([record for record in caplog.records if "n1" in record.getMessage()]) == 1
    assert sum(inbox.dropped.values()) == 6


def test_instants_are_kept_in_utc_with_microseconds() -> None:
    status = NodeStatus(
        session=uuid4(),
        sent_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        version="1",
        hostname="h",
    )
    assert decode(encode(status), NodeStatus).sent_at == status.sent_at
    naive = json.loads(encode(status)) | {"sent_at": "2026-01-02T03:04:05"}
    with pytest.raises(BadMessage, match="offset from UTC"):
        decode(json.dumps(naive).encode(), NodeStatus)

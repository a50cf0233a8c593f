"""Processes that are found again by what was kept of them."""

import json
import signal
from dataclasses import replace
from pathlib import Path

from tests.lab import processes


def test_a_process_is_found_again_and_ended(tmp_path: Path) -> None:
    record = tmp_path / "record"
    process = processes.start(["sleep", "60"], record, tmp_path / "log")
    assert processes.recorded(record) == process
    process.end()
    assert not process.alive
    assert processes.recorded(record) is None


def test_a_number_that_went_to_another_is_not_ours(tmp_path: Path) -> None:
    record = tmp_path / "record"
    process = processes.start(["sleep", "60"], record, tmp_path / "log")
    try:
        for other in (replace(process, started=1), replace(process, boot="another")):
            assert not other.alive
            other.send(signal.SIGKILL)
            assert other.wait(0)
        assert process.alive
    finally:
        process.end()


def test_a_broken_record_names_nobody(tmp_path: Path) -> None:
    record = tmp_path / "record"
    for text in ("", "{", json.dumps({"pid": 1})):
        record.write_text(text)
        assert processes.recorded(record) is None

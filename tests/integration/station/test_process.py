"""The station as a real process: socket, journal, signals, crashes."""

import json
import os
import signal
import socket
import sqlite3
import stat
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from bem.domain.limits import Limits
from bem.domain.program import Program

Station = Any
"""The process of conftest.py, whose name tests cannot import."""
Make = Callable[..., Station]
Wait = Callable[..., None]


def _samples(station: Station) -> int:
    return int(station.rows("SELECT COUNT(*) FROM sample")[0][0])


def test_start_samples_and_stop(make_station: Make, charging: Program, wait_until: Wait) -> None:
    station = make_station()
    description = station.ask("describe").body
    assert description["device"].startswith("BEM virtual")
    assert [one["name"] for one in description["channels"]] == ["temperature_body"]
    assert station.start(charging).ok
    wait_until(lambda: _samples(station) >= 20, "20 samples")
    live = station.ask("live").body
    assert live["state"] == "running"
    assert live["values"]["current"] == 1.0
    assert live["output_on"] is True
    assert (live["step"], live["step_title"], live["cycle"]) == (1, "Charge at 1 A for 1 h", 1)
    assert abs(datetime.fromisoformat(live["measured_at"]).timestamp() - time.time()) < 2
    assert station.command("stop", experiment=str(station.experiment), by="ana").ok
    wait_until(lambda: station.ask("live").body["values"]["current"] == 0.0, "no current")
    rows = station.rows("SELECT seq, elapsed_us, voltage, charge_in FROM sample ORDER BY seq")
    assert [row[0] for row in rows] == list(range(len(rows)))
    gaps = [two[1] - one[1] for one, two in pairwise(rows)]
    assert all(gap > 0 for gap in gaps)
    assert sum(gaps) / len(gaps) < 110_000
    assert all(two[3] > one[3] for one, two in pairwise(rows))
    assert station.rows("SELECT outcome FROM run") == [("stopped",)]
    kinds = [row[0] for row in station.rows("SELECT kind FROM event ORDER BY seq")]
    assert kinds == ["run_started", "step_started", "run_ended"]


def test_a_whole_program_in_time_lapse(make_station: Make, wait_until: Wait) -> None:
    station = make_station(
        time_scale=3600,
        power={"driver": "virtual", "settings": {"speed": 3600, "battery": {"soc": 0.2}}},
    )
    operations = json.loads(
        """[
        {"op": "step", "number": 1, "title": "Charge", "setpoint": {"mode": "cc", "value": 2.5},
         "ends": [{"quantity": "capacity", "compare": ">=", "threshold": 0.5}]},
        {"op": "step", "number": 2, "title": "Hold", "setpoint": {"mode": "cv", "value": 4.0},
         "ends": [{"quantity": "duration", "compare": ">=", "threshold": 1800}]},
        {"op": "step", "number": 3, "title": "Rest", "setpoint": {"mode": "rest", "value": 0},
         "ends": [{"quantity": "duration", "compare": ">=", "threshold": 600}]},
        {"op": "loop", "start": 2, "passes": 3, "counts_cycles": true}
        ]"""
    )
    program = Program.model_validate(
        {
            "name": "lapse",
            "operations": operations,
            "operating": Limits(voltage_min=2.5, voltage_max=4.3, current_min=-9, current_max=9),
        }
    )
    assert station.start(program).ok
    wait_until(
        lambda: station.rows("SELECT outcome FROM run") == [("finished",)], "the end", timeout_s=30
    )
    cycles = station.rows("SELECT data FROM event WHERE kind = 'cycle_ended' ORDER BY seq")
    assert [json.loads(row[0])["cycle"] for row in cycles] == [1, 2, 3]


def test_kill_9_loses_at_most_a_second_and_interrupts(
    make_station: Make, charging: Program, wait_until: Wait
) -> None:
    station = make_station()
    assert station.start(charging).ok
    wait_until(lambda: _samples(station) >= 20, "20 samples")
    elapsed_us = station.ask("live").body["elapsed_us"]
    assert station.end(signal.SIGKILL) == -signal.SIGKILL
    kept = station.rows("SELECT MAX(seq), MAX(elapsed_us), COUNT(*) FROM sample")[0]
    assert kept[2] == kept[0] + 1
    assert elapsed_us - kept[1] <= 1_300_000, "one second, and the pass under way"
    assert station.rows("SELECT outcome FROM run") == [(None,)]
    station.boot()
    wait_until(station.ready, "the station after the crash", timeout_s=30)
    assert station.state() == "fault"
    # The journal is written once a second, and later where the disk is busy.
    wait_until(lambda: station.rows("SELECT outcome FROM run") == [("interrupted",)], "its outcome")
    last = station.rows("SELECT seq, kind, data FROM event ORDER BY seq DESC LIMIT 1")[0]
    assert last[:2] == (2, "run_ended")
    assert json.loads(last[2])["output_off_verified"] is True
    assert not station.start(charging).ok


def test_sigterm_switches_off_and_leaves_nothing_behind(
    make_station: Make, charging: Program, wait_until: Wait
) -> None:
    station = make_station()
    assert station.start(charging).ok
    wait_until(lambda: _samples(station) >= 5, "samples")
    begun = time.monotonic()
    assert station.end(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 3
    assert not station.socket.exists()
    data = station.rows("SELECT data FROM event ORDER BY seq DESC LIMIT 1")[0][0]
    assert json.loads(data) == {
        "outcome": "interrupted",
        "reason": "the station was stopped",
        "output_off_verified": True,
    }
    seqs = [row[0] for row in station.rows("SELECT seq FROM sample ORDER BY seq")]
    assert seqs == list(range(len(seqs)))
    assert "lateness 99.9 %" in station.errors.read_text()


def test_a_command_id_is_executed_once(make_station: Make, charging: Program) -> None:
    station = make_station()
    command = uuid.uuid4()
    assert station.start(charging, command).ok
    assert station.command("stop", experiment=str(station.experiment)).ok
    assert station.start(charging, command).ok, "the answer is repeated, nothing is started"
    assert station.state() == "idle"
    refused = uuid.uuid4()
    first = station.start(charging, refused)
    assert not first.ok
    assert station.start(charging, refused) == first
    assert station.rows("SELECT COUNT(*) FROM run") == [(1,)]
    station.end(signal.SIGTERM)
    station.boot()


def test_answers_outlive_the_process_and_unanswered_commands_are_not_repeated(
    make_station: Make, charging: Program, wait_until: Wait
) -> None:
    station = make_station()
    answered, unanswered = uuid.uuid4(), uuid.uuid4()
    assert station.start(charging, answered).ok
    station.end(signal.SIGKILL)
    database = sqlite3.connect(station.settings.journal_file("one"))
    received = datetime.now(UTC).isoformat()
    database.execute("INSERT INTO command VALUES (?, ?, NULL)", (str(unanswered), received))
    database.commit()
    database.close()
    station.boot()
    wait_until(station.ready, "the station", timeout_s=30)
    assert station.start(charging, answered).ok
    assert station.state() == "fault"
    station.experiment = uuid.uuid4()
    reply = station.start(charging, unanswered)
    assert not reply.ok
    assert "stopped before it answered" in reply.reason
    assert station.state() == "fault"


def test_a_trip_latches_until_acknowledged_across_a_restart(
    make_station: Make, charging: Program, wait_until: Wait
) -> None:
    station = make_station(
        power={"driver": "virtual", "settings": {"speed": 600, "battery": {"soc": 0.9}}},
        time_scale=600,
    )
    assert station.start(charging).ok
    wait_until(lambda: station.state() == "fault", "the trip", timeout_s=30)
    assert station.ask("live").body["output_on"] is False
    wait_until(lambda: station.rows("SELECT outcome FROM run") == [("failed",)], "its outcome")
    reason = station.ask("describe").body["reason"]
    assert "voltage" in reason
    assert station.end(signal.SIGTERM) == 0
    station.boot()
    wait_until(station.ready, "the station", timeout_s=30)
    assert station.state() == "fault"
    assert station.ask("describe").body["reason"] == reason
    assert station.command("acknowledge").ok
    assert station.state() == "idle"


def test_a_second_process_is_refused(make_station: Make) -> None:
    station = make_station()
    second = station.spawn()
    assert second.wait(20) == 1
    assert f"is run by process {station.process.pid} already" in station.errors.read_text()
    assert station.state() == "idle"
    assert station.spawn("safe").wait(20) == 0, "its process is in charge of it"


def test_a_dead_station_can_be_made_safe(make_station: Make) -> None:
    station = make_station()
    station.end(signal.SIGKILL)
    assert station.spawn("safe").wait(20) == 0
    assert "the output of station one is off" in station.errors.read_text()


def test_nonsense_on_the_socket_is_answered_and_harms_nothing(make_station: Make) -> None:
    station = make_station()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(station.socket))
        lines = connection.makefile("rb")
        for nonsense in (
            b"hello\n",
            b"\xff\xfe\n",
            b"{}\n",
            b"[]\n",
            b'{"request": "launch"}\n',
            b'{"request": "command", "action": "start"}\n',
            b'{"request": "forget"}\n',
            b'{"request": "command", "id": "' + str(uuid.uuid4()).encode() + b'"}\n',
        ):
            connection.sendall(nonsense)
            reply = json.loads(lines.readline())
            assert reply["ok"] is False
            assert reply["reason"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(station.socket))
        connection.sendall(b'{"request": "li')
    assert station.state() == "idle"


def test_only_the_owner_reaches_the_socket(make_station: Make) -> None:
    station = make_station()
    assert stat.S_IMODE(station.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(station.socket.parent.stat().st_mode) == 0o700


def test_the_server_s_watermark_is_kept(
    make_station: Make, charging: Program, wait_until: Wait
) -> None:
    station = make_station()
    assert station.start(charging).ok
    wait_until(lambda: _samples(station) >= 5, "samples")
    experiment = str(station.experiment)
    assert station.ask("forget", experiment=experiment, next_sample=4, next_event=1).ok
    wait_until(
        lambda: station.rows("SELECT acked_samples, acked_events FROM run") == [(4, 1)],
        "the watermark",
    )


def test_a_definition_that_cannot_work_is_named(make_station: Make) -> None:
    station = make_station()
    station.end(signal.SIGTERM)
    file = station.settings.station_file("one")
    for definition, words in (
        ("id: one\nname: One\npower: {driver: nosuch}\n", "no driver 'nosuch'; installed:"),
        ("id: one\nname: One\nperiod_ms: 900\npower: {driver: virtual}\n", "at least 2 periods"),
        ("id: one\nname: One\npower: {driver: virtual, settings: {volts: 1}}\n", "volts"),
    ):
        file.write_text(definition)
        assert station.spawn().wait(20) == 1
        assert words in station.errors.read_text()


def test_an_error_of_the_program_ends_in_output_off_and_exit_1(
    make_station: Make, charging: Program, wait_until: Wait
) -> None:
    station = make_station()
    station.end(signal.SIGTERM)
    station.boot("breakable")
    wait_until(station.ready, "the station", timeout_s=30)
    assert station.start(charging).ok
    (station.file.parent / "break").touch()
    assert station.process.wait(20) == 1
    assert "ZeroDivisionError" in station.errors.read_text()
    assert "the virtual device is off" in station.errors.read_text()
    assert station.rows("SELECT outcome FROM run") == [("failed",)]
    station.boot()
    wait_until(station.ready, "the station", timeout_s=30)
    assert station.state() == "fault"


def test_systemd_is_told(make_station: Make, tmp_path: Path, wait_until: Wait) -> None:
    station = make_station()
    station.end(signal.SIGTERM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        address = str(tmp_path / "notify")
        listener.bind(address)
        listener.settimeout(20)
        before = dict(os.environ)
        os.environ |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
        try:
            station.boot()
        finally:
            os.environ.clear()
            os.environ.update(before)
        heard: list[bytes] = []
        while heard.count(b"WATCHDOG=1") < 5:
            heard.append(listener.recv(4096))
        assert heard.count(b"READY=1") == 1
        assert b"STATUS=idle" in heard
        assert station.ready()
        assert station.end(signal.SIGTERM) == 0
        while b"STOPPING=1" not in heard:
            heard.append(listener.recv(4096))

"""A station with an EPC on a wire: every sample was measured, and every loss ends in output off.

Times come from the simulator's own ledger; ``-o log_cli=true --log-cli-level=INFO`` shows them.
"""

import json
import logging
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import Program

_LOGGER = logging.getLogger(__name__)
Station = Any
Epc = Any
"""The processes of conftest.py, whose names tests cannot import."""
Wait = Callable[..., None]

SILENCE_S = 1.0
"""The default after which a device switches off by itself."""


@pytest.fixture
def charging_station(
    epc_station: Station, epc: Epc, charging: Program, wait_until: Wait
) -> Station:
    reply = epc_station.start(charging)
    assert reply.ok, reply.reason
    wait_until(epc.output_on, "the output to go on")
    wait_until(
        lambda: epc_station.rows("SELECT COUNT(*) FROM sample")[0][0] >= 10, "samples", timeout_s=20
    )
    return epc_station


def test_every_sample_is_a_measurement_and_none_is_used_twice(
    charging_station: Station, epc: Epc
) -> None:
    assert charging_station.command("stop", experiment=str(charging_station.experiment)).ok
    answers = iter((fact["ls_mv"] / 1000, fact["ls_ma"] / 1000) for fact in epc.facts("answer"))
    samples = charging_station.rows("SELECT voltage, current FROM sample ORDER BY seq")
    assert len(samples) >= 10
    for sample in samples:
        # Walks on behind the answer that was found: order and number are proven with it.
        assert any(answer == sample for answer in answers), f"{sample} was never measured"


def test_a_stop_switches_off_at_once(charging_station: Station, epc: Epc) -> None:
    asked_ns = time.monotonic_ns()
    assert charging_station.command("stop", experiment=str(charging_station.experiment)).ok
    assert not epc.output_on()
    off_after_s = epc.off_after_s(asked_ns)
    _LOGGER.info("output off after %.3f s", off_after_s)
    assert off_after_s < 0.3


def test_sigterm_switches_off(charging_station: Station, epc: Epc) -> None:
    asked_ns = time.monotonic_ns()
    assert charging_station.end(signal.SIGTERM) == 0
    off_after_s = epc.off_after_s(asked_ns)
    _LOGGER.info("output off after %.3f s", off_after_s)
    assert off_after_s < 0.3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hanging_station_leaves_the_output_off_by_the_device_s_watchdog(
    charging_station: Station, epc: Epc, wait_until: Wait, number: signal.Signals
) -> None:
    charging_station._client.close()
    gone_ns = time.monotonic_ns()
    charging_station.process.send_signal(number)
    wait_until(lambda: not epc.output_on(), "the watchdog")
    off_after_s = epc.off_after_s(gone_ns)
    _LOGGER.info("output off after %.3f s", off_after_s)
    assert off_after_s < SILENCE_S + 0.2
    if number is signal.SIGSTOP:
        charging_station.process.send_signal(signal.SIGCONT)
        wait_until(lambda: charging_station.state() == "fault", "the fault")
        assert not epc.output_on()


def test_a_pulled_cable_ends_the_run_and_its_return_starts_nothing(
    charging_station: Station, epc: Epc, wait_until: Wait
) -> None:
    pulled_ns = time.monotonic_ns()
    epc.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: charging_station.state() == "fault", "the fault")
    assert charging_station.ask("live").body["values"] == {}
    wait_until(lambda: not epc.output_on(), "the watchdog")
    off_after_s = epc.off_after_s(pulled_ns)
    _LOGGER.info("output off after %.3f s", off_after_s)
    assert off_after_s < SILENCE_S + 0.2
    refused = charging_station.command("acknowledge")
    assert not refused.ok
    assert refused.retry
    epc.process.send_signal(signal.SIGUSR2)
    wait_until(
        lambda: charging_station.ask("live").body["values"], "the device to return", timeout_s=30
    )
    assert charging_station.state() == "fault"
    assert charging_station.command("acknowledge").ok
    assert charging_station.state() == "idle"
    assert not epc.output_on()
    data = charging_station.rows("SELECT data FROM event WHERE kind = 'run_ended'")[0][0]
    ended = json.loads(data)
    assert (ended["outcome"], ended["output_off_verified"]) == ("failed", False)


def test_a_frozen_device_is_a_fault(charging_station: Station, epc: Epc, wait_until: Wait) -> None:
    epc.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: charging_station.state() == "fault", "the fault")
    epc.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not epc.output_on(), "the output to go off")


def test_it_is_found_again_after_any_restart_of_the_adapter(
    epc_station: Station, epc: Epc, charging: Program, wait_until: Wait
) -> None:
    epc.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: epc_station.state() == "lost", "the loss")
    assert epc_station.start(charging).retry
    epc.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: epc_station.state() == "idle", "the return", timeout_s=30)
    epc_station.experiment = type(epc_station.experiment)(int=7)
    assert epc_station.start(charging).ok


def test_a_pause_a_resume_and_a_run_that_goes_on_after_a_kill_at_the_simulator(
    epc_station: Station, epc: Epc, charging: Program, wait_until: Wait
) -> None:
    station = epc_station
    experiment = str(station.experiment)
    assert station.start(charging, on_interruption="resume").ok
    wait_until(epc.output_on, "the output")
    assert station.command("pause", experiment=experiment, by="ana").ok
    wait_until(lambda: not epc.output_on(), "the output off")
    assert station.command("resume", experiment=experiment, by="ana").ok
    wait_until(epc.output_on, "the output on again")
    wait_until(lambda: len(station.rows("SELECT 1 FROM sample")) > 20, "samples")
    station.end(signal.SIGKILL)
    wait_until(lambda: not epc.output_on(), "the converter's own watchdog")
    station.boot()
    wait_until(epc.output_on, "the run to go on", timeout_s=60)
    kinds = [row[0] for row in station.rows("SELECT kind FROM event ORDER BY seq")]
    assert kinds == ["run_started", "step_started", "paused", "resumed", "warned", "gap"]
    assert station.command("stop", experiment=experiment).ok
    wait_until(lambda: not epc.output_on(), "the output off")
    seqs = [row[0] for row in station.rows("SELECT seq FROM sample ORDER BY seq")]
    assert seqs == list(range(len(seqs)))

"""What an experiment is foretold, its settings and changes; YAML, CSV and completion."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from bem.domain.profile.document import from_yaml
from bem.domain.profile.text import parse_profile
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.web.records.experiment_form import parameter_fields, read_limits

TEXT = "Parameter rate = C/2\nCharge at {rate} until 4.2 V\nRest for 10 minutes\n"


@pytest.fixture
def choice(operator: Client, stations: list[Station]) -> dict[str, Any]:
    """What is chosen in the form: a battery, a station that fits, a profile with a parameter."""
    cell = {
        "technology": "lithium",
        "name": "Cell",
        "cells": "1",
        "voltage_min": "2.5",
        "voltage_max": "4.2",
        "current_min": "-5",
        "current_max": "5",
        "capacity": "2.5",
        "chemistry": "nmc",
    }
    operator.post("/batteries/add/", cell)
    operator.post("/profiles/add/", {"name": "Charge", "text": TEXT})
    return {
        "battery": Battery.objects.get().pk,
        "station": stations[0].pk,
        "profile": Profile.objects.get().pk,
        "name": "E",
        "with_settings": "True",
    }


@pytest.fixture
def queued(operator: Client, choice: dict[str, Any]) -> Experiment:
    operator.post("/experiments/add/", choice | {"follows": "on"})
    return Experiment.objects.get()


def test_the_parameters_of_the_profile_are_fields_with_their_defaults(
    operator: Client, choice: dict[str, Any]
) -> None:
    body = operator.get("/experiments/add/", choice).content.decode()
    assert 'name="parameter-rate" value="C/2"' in body
    assert "C-rate: C/2 unless changed" in body
    assert "2.5\N{NO-BREAK SPACE}Ah" in body
    assert "none is recorded" in body


@pytest.mark.parametrize(
    ("default", "head"),
    [
        ("C/3", "C-rate"),
        ("0.7C", "C-rate"),
        ("2.5 A", "Current"),
        ("4.1 V", "Voltage"),
        ("10 W", "Power"),
        ("10 ohm", "Resistance"),
        ("30 minutes", "Duration"),
        ("1.5 Ah", "Capacity"),
        ("5 Wh", "Energy"),
        ("45 degC", "Temperature"),
        ("500", "Number of times"),
    ],
)
def test_the_hint_of_every_kind_of_parameter_names_its_default(default: str, head: str) -> None:
    profile = Profile(text=f"Parameter p = {default}\nRest for 1 h\n")
    (one,) = parameter_fields(profile, {})
    assert one.hint == f"{head}: {default} unless changed"
    (typed,) = parameter_fields(profile, {one.field: "3"})
    assert (typed.value, typed.hint) == ("3", one.hint)


def test_limits_of_an_experiment_are_read_line_by_line() -> None:
    given = "temperature above 45 degC for 10 s\n\nLimit voltage below 2.8 V\n"
    (hot, low), problems = read_limits(given)
    assert problems == []
    assert (hot.quantity, hot.compare, hot.threshold, hot.delay_s) == ("temperature", ">=", 45, 10)
    assert (low.quantity, low.compare, low.threshold) == ("voltage", "<=", 2.8)
    assert read_limits(" \n") == ((), [])
    _, problems = read_limits("voltage above 4 V\nuntil the cows come home\nvoltage below 3 A")
    assert [one.partition("”")[0] for one in problems] == [
        "limit 2 “until the cows come home",
        "limit 3 “voltage below 3 A",
    ]


def test_what_will_happen_is_shown_and_nothing_is_stored(
    operator: Client, choice: dict[str, Any]
) -> None:
    body = operator.post("/experiments/dry-run/", choice).content.decode()
    assert "It would finish after" in body
    assert "voltage at or above 4.2 V" in body
    assert "data-expected=" in body
    assert "Charge at 1.25 A until 4.2 V" in body
    faster = choice | {"parameter-rate": "1C"}
    assert "Charge at 2.5 A" in operator.post("/experiments/dry-run/", faster).content.decode()
    assert not Experiment.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limits": "temperature above 24 degC"}, "It would run into a limit"),
        ({"limits": "temprature above 24 degC"}, "limit 1"),
        ({"parameter-rate": "4.2 V"}, "rate"),
        ({"parameter-rate": "100C"}, "above 5 A"),
        ({"capacity_source": "measured"}, "choose the nominal one"),
        ({"battery": ""}, "before it is fitted"),
        ({"profile": "x"}, "Choose a battery, a station and a profile"),
    ],
)
def test_what_cannot_be_foretold_says_why(
    operator: Client, choice: dict[str, Any], changes: dict[str, str], words: str
) -> None:
    answer = operator.post("/experiments/dry-run/", choice | changes)
    assert answer.status_code == 200
    assert words in answer.content.decode()


def test_the_settings_and_what_was_expected_are_kept(
    operator: Client, choice: dict[str, Any]
) -> None:
    given = choice | {
        "parameter-rate": "1C",
        "limits": "temperature above 60 degC for 10 s",
        "on_interruption": "wait",
    }
    operator.post("/experiments/add/", given)
    kept = Experiment.objects.get()
    assert kept.parameters == {"rate": "1C"}
    assert kept.limits[0]["threshold"] == 60
    assert kept.limits[0]["delay_s"] == 10
    assert (kept.on_interruption, kept.follows) == ("wait", False)
    assert kept.expected is not None
    curve = operator.get(f"/experiments/{kept.pk}/expected.json").json()
    assert len(curve["elapsed_s"]) == len(curve["voltage"])
    assert curve["voltage"][-1] > 3.5


def test_what_waits_is_changed_and_keeps_its_battery(
    operator: Client, queued: Experiment, choice: dict[str, Any]
) -> None:
    page = f"/experiments/{queued.pk}/edit/"
    assert 'value="C/2"' in operator.get(page).content.decode()
    changed = choice | {"name": "Renamed", "parameter-rate": "C/5", "battery": "4711"}
    assert operator.post(page, changed).headers["Location"] == f"/experiments/{queued.pk}/"
    queued.refresh_from_db()
    assert (queued.name, queued.parameters) == ("Renamed", {"rate": "C/5"})
    assert not queued.follows
    Experiment.objects.update(status=Experiment.Status.RUNNING)
    late = operator.post(page, changed | {"name": "Late"}).content.decode()
    assert "only a queued experiment can be edited" in late


@pytest.mark.parametrize("role", ["viewer", "nobody"])
def test_only_operators_foretell_and_change(
    sign_in: Callable[[str], Client], queued: Experiment, choice: dict[str, Any], role: str
) -> None:
    client = sign_in(role)
    for path in ("/experiments/dry-run/", f"/experiments/{queued.pk}/edit/"):
        assert client.post(path, choice).status_code == 403
    assert Experiment.objects.get().name == "E"


def test_completion_proposes_what_may_come_next(viewer: Client) -> None:
    given = {"text": "Dis", "line": "1", "column": "4"}
    found = viewer.post("/profiles/complete/", given).json()["proposals"]
    assert found[0]["label"].startswith("Discharge")
    assert found[0]["start"] == 1


@pytest.mark.parametrize(
    "given", [{}, {"text": "x", "line": "99", "column": "-1"}, {"text": "y" * 300_000}]
)
def test_completion_bears_anything(viewer: Client, given: dict[str, str]) -> None:
    assert viewer.post("/profiles/complete/", given).json() == {"proposals": []}


def test_a_profile_goes_out_and_in_as_yaml(
    operator: Client, viewer: Client, choice: dict[str, Any]
) -> None:
    answer = viewer.get(f"/profiles/{choice['profile']}/profile.yaml")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="Charge.yaml"'
    document = answer.content.decode()
    assert from_yaml(document) == parse_profile(TEXT)
    read = operator.post("/profiles/read/", {"kind": "yaml", "content": document}).json()
    assert read == {"text": TEXT, "problems": []}
    wrong = operator.post("/profiles/read/", {"kind": "yaml", "content": "body: 7"}).json()
    assert wrong["text"] == ""
    assert wrong["problems"][0]["line"] == 1


def test_a_drive_cycle_as_csv_becomes_a_table(viewer: Client) -> None:
    given = {"kind": "csv", "drives": "current", "content": "time,current\n0,1.5\n10,-2\n20,0\n"}
    read = viewer.post("/profiles/read/", given).json()
    assert read["problems"] == []
    assert len(parse_profile(read["text"]).body) == 1
    wrong = viewer.post("/profiles/read/", given | {"content": "0,1\n0,2\n"}).json()
    assert wrong["problems"][0]["line"] == 2

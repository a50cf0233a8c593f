"""Forms and single pages: who may, what is said beside which field, no markup from people."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bem.domain.compiling import check_text
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations.experiments import queue_experiment
from bem.web.records.examples import EXAMPLES

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
BATTERY = {
    "technology": "lithium",
    "name": "Cell",
    "serial_number": "1",
    "cells": "1",
    "cell_voltage_min": "2.5",
    "cell_voltage_max": "4.2",
    "voltage_min": "2.5",
    "voltage_max": "4.2",
    "current_min": "-5",
    "current_max": "5",
    "capacity": "2.5",
    "chemistry": "nmc",
}
PROFILE = {"name": "Charge", "text": "Charge at C/2 until 4.2 V\r\nRest for 1 hour\r\n"}


@pytest.fixture
def battery(operator: Client) -> Battery:
    operator.post("/batteries/add/", BATTERY)
    return Battery.objects.get()


@pytest.fixture
def profile(operator: Client) -> Profile:
    operator.post("/profiles/add/", PROFILE)
    return Profile.objects.get()


def test_from_battery_to_experiment(
    operator: Client, stations: list[Station], battery: Battery, profile: Profile
) -> None:
    given = {
        "battery": battery.pk,
        "station": stations[0].pk,
        "profile": profile.pk,
        "name": "First light",
    }
    answer = operator.post("/experiments/add/", given)
    experiment = Experiment.objects.get()
    assert answer.headers["Location"] == f"/experiments/{experiment.pk}/"
    assert experiment.created_by == User.objects.get(username="operator")
    answer = operator.post(f"/experiments/{experiment.pk}/cancel/")
    assert answer.headers["Location"] == "/experiments/"
    assert Experiment.objects.get().status == Experiment.Status.CANCELLED


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"voltage_min": "9"}, "voltage_min", "9 V must be below the maximum voltage 4.2 V"),
        ({"voltage_max": "much"}, "voltage_max", "Enter a number"),
        ({"voltage_max": "nan"}, "voltage_max", "Enter a number"),
        ({"cells": "0"}, "cells", "greater than or equal to 1"),
        ({"name": ""}, "name", "required"),
        ({"chemistry": "gel"}, "chemistry", "gel is not one of the available choices"),
        ({"capacity": ""}, "capacity", "required"),
        ({"current_min": "5"}, "current_min", "strongest discharge is 0 or negative"),
    ],
)
def test_a_wrong_field_of_a_battery_is_marked_and_nothing_is_stored(
    operator: Client, changes: dict[str, str], field: str, words: str
) -> None:
    answer = operator.post("/batteries/add/", BATTERY | changes)
    body = answer.content.decode()
    assert answer.status_code == 200
    assert not Battery.objects.exists()
    error = body.partition(f'id="id_{field}_error">')[2].partition("</div></div>")[0]
    assert words in error
    assert 'value="1"' in body, "what was typed is still there"


@pytest.mark.parametrize("technology", ["lithium", "lead_acid", "redox_stack", "nonsense"])
def test_each_technology_has_its_fields_and_keeps_what_was_typed(
    operator: Client, technology: str
) -> None:
    own = {"lead_acid": "Electrolyte held as", "redox_stack": "Electrode area"}
    answer = operator.get(
        "/batteries/add/",
        {"technology": technology, "name": "typed"},
        headers={"HX-Request": "true", "HX-Target": "battery-form"},
    )
    body = answer.content.decode()
    assert own.get(technology, "Chemistry") in body
    assert 'value="typed"' in body
    assert "<html" not in body


def test_of_a_used_battery_the_form_changes_only_the_description(
    operator: Client, stations: list[Station], battery: Battery, profile: Profile
) -> None:
    person = User.objects.get(username="operator")
    queue_experiment(person, name="E", battery=battery, station=stations[0], profile=profile)
    assert "only its description" in operator.get(f"/batteries/{battery.pk}/edit/").content.decode()
    answer = operator.post(
        f"/batteries/{battery.pk}/edit/",
        BATTERY | {"description": "aged", "current_max": "500"},
    )
    assert answer.status_code == 302
    stored = Battery.objects.get()
    assert (stored.description, stored.current_max) == ("aged", 5.0)
    operator.post(f"/batteries/{battery.pk}/retire/")
    assert Battery.objects.get().retired_at is None
    assert "queued" in operator.get(f"/batteries/{battery.pk}/").content.decode()


def test_a_used_battery_cannot_become_another_technology(
    operator: Client, stations: list[Station], battery: Battery, profile: Profile
) -> None:
    person = User.objects.get(username="operator")
    queue_experiment(person, name="E", battery=battery, station=stations[0], profile=profile)
    given = BATTERY | {"technology": "lead_acid", "chemistry": "gel"}
    answer = operator.post(f"/batteries/{battery.pk}/edit/", given)
    assert answer.status_code == 200
    assert Battery.objects.get().technology == "lithium"


def test_profiles_are_edited_retired_and_copied(operator: Client, profile: Profile) -> None:
    page = operator.get(f"/profiles/{profile.pk}/edit/")
    seen = page.context["form"]["seen"].value()
    changed = PROFILE | {"text": "Rest for 2 hours", "seen": seen}
    assert operator.post(f"/profiles/{profile.pk}/edit/", changed).status_code == 302
    assert Profile.objects.get().text == "Rest for 2 hours"
    stale = operator.post(f"/profiles/{profile.pk}/edit/", changed)
    assert "somebody else changed this profile" in stale.content.decode()
    assert "Charge (copy)" in operator.get(f"/profiles/add/?copy={profile.pk}").content.decode()
    operator.post(f"/profiles/{profile.pk}/retire/")
    assert Profile.objects.get().retired_at is not None
    operator.post(f"/profiles/{profile.pk}/restore/")
    assert Profile.objects.get().retired_at is None


def test_a_profile_that_cannot_be_read_is_not_stored_and_says_where(operator: Client) -> None:
    answer = operator.post("/profiles/add/", PROFILE | {"text": "Rest for 1 hour\nChrge at 1 A"})
    body = answer.content.decode()
    assert not Profile.objects.exists()
    assert '<span class="problem-place">2:1</span>' in body
    assert "&#x27;Chrge&#x27; is not a word" in body
    empty = operator.post("/profiles/add/", PROFILE | {"text": ""}).content.decode()
    assert "This field is required" in empty


def test_without_script_a_text_is_checked_by_a_button(operator: Client) -> None:
    answer = operator.post("/profiles/add/", PROFILE | {"check": "yes"})
    assert "No problems" in answer.content.decode()
    assert not Profile.objects.exists()


def test_the_check_finds_what_a_battery_and_a_station_cannot(
    viewer: Client, stations: list[Station], battery: Battery
) -> None:
    given = {"text": "Rest for 1 hour\nCharge at 999 A until 4.2 V"}
    assert viewer.post("/profiles/check/", given).json()["problems"] == []
    against = given | {"battery": battery.pk, "station": stations[0].pk}
    found = viewer.post("/profiles/check/", against).json()["problems"]
    assert [(one["line"], one["column"]) for one in found] == [(2, 11)]
    assert "999 A" in found[0]["message"]
    fine = against | {"text": "Repeat 3 times:\n  Charge at C/2 until 4.2 V\n  Rest for 1 min"}
    outline = viewer.post("/profiles/check/", fine).json()["outline"]
    assert "Repeat 3 times" in outline
    assert "Charge at 1.25 A" in outline


@pytest.mark.parametrize("text", ["", "\x00", "x" * 300_000, "Rest\r\n" * 3, "\u2028Rest for 1 s"])
def test_the_check_bears_any_text(viewer: Client, text: str) -> None:
    answer = viewer.post("/profiles/check/", {"text": text, "battery": "x", "station": "9" * 30})
    assert answer.status_code == 200
    json.loads(answer.content)


def test_the_examples_of_the_help_are_free_of_problems() -> None:
    for example in EXAMPLES:
        assert check_text(example.text) == []


def test_choices_narrow_as_they_are_made(
    operator: Client, stations: list[Station], battery: Battery, profile: Profile
) -> None:
    operator.post("/profiles/add/", {"name": "Far", "text": "Charge at 999 A until 4.2 V"})
    part = {"HX-Request": "true", "HX-Target": "experiment-choices"}
    query = {"battery": battery.pk, "station": stations[0].pk, "profile": profile.pk}
    body = operator.get("/experiments/add/", query, headers=part).content.decode()
    assert "<html" not in body
    assert "bears at most 3 V, the battery reaches 4.2 V" in body
    assert "999 A is above 5 A" in body
    assert 'data-suggested-name="Charge · Cell (1)"' in body
    foretold = operator.post("/experiments/dry-run/", query).content.decode()
    assert "What will run, in amperes" in foretold
    assert "Charge at 1.25 A until 4.2 V" in foretold


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"station": "4711"}, "there is no such station"),
        ({"station": ""}, "choose a station"),
        ({"battery": "x"}, "there is no such battery"),
        ({"profile": "0"}, "there is no such profile"),
        ({"name": ""}, "required"),
        ({"station": "narrow"}, "bears at most 3 V"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_by_the_server(
    operator: Client,
    stations: list[Station],
    battery: Battery,
    profile: Profile,
    changes: dict[str, str],
    words: str,
) -> None:
    given = {
        "battery": battery.pk,
        "station": stations[0].pk,
        "profile": profile.pk,
        "name": "E",
    } | changes
    if given["station"] == "narrow":
        given["station"] = stations[1].pk
    answer = operator.post("/experiments/add/", given)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Experiment.objects.exists()


def test_what_people_typed_is_never_markup(
    operator: Client, viewer: Client, stations: list[Station]
) -> None:
    short = EVIL[:64]
    operator.post(
        "/batteries/add/",
        BATTERY | {"name": short, "serial_number": EVIL[:60], "model": short, "description": EVIL},
    )
    operator.post(
        "/profiles/add/",
        PROFILE | {"name": short, "description": EVIL, "text": f"# {EVIL}\nRest for 1 s"},
    )
    battery, profile = Battery.objects.get(), Profile.objects.get()
    Station.objects.update(name=short)
    given = {"battery": battery.pk, "station": stations[0].pk, "profile": profile.pk}
    operator.post("/experiments/add/", given | {"name": short, "description": EVIL})
    Experiment.objects.update(status_reason=EVIL)
    assert Experiment.objects.count() == 1
    query = f"?battery={battery.pk}&station={stations[0].pk}&profile={profile.pk}"
    for path in (
        "/batteries/",
        f"/batteries/?search={EVIL}",
        f"/batteries/?sort={EVIL}",
        f"/batteries/{battery.pk}/",
        f"/batteries/{battery.pk}/edit/",
        "/profiles/",
        f"/profiles/{profile.pk}/",
        f"/profiles/{profile.pk}/edit/",
        "/experiments/",
        f"/experiments/{query}",
        f"/experiments/add/{query}",
    ):
        body = operator.get(path).content.decode()
        assert "<script>alert" not in body, path
        assert "<img" not in body.replace('<img src="/static/', ""), path
    checked = viewer.post("/profiles/check/", {"text": f"Profile: {EVIL}\nRest for 1 s"}).json()
    assert "<script" not in checked["outline"]


@pytest.mark.parametrize(
    "path",
    [
        "/batteries/add/",
        "/batteries/{battery}/edit/",
        "/batteries/{battery}/retire/",
        "/batteries/{battery}/restore/",
        "/profiles/add/",
        "/profiles/{profile}/edit/",
        "/profiles/{profile}/retire/",
        "/profiles/{profile}/restore/",
        "/experiments/add/",
        "/experiments/{experiment}/cancel/",
    ],
)
def test_viewers_cannot_write(
    sign_in: Callable[[str], Client],
    operator: Client,
    stations: list[Station],
    battery: Battery,
    profile: Profile,
    path: str,
) -> None:
    person = User.objects.get(username="operator")
    experiment = queue_experiment(
        person, name="E", battery=battery, station=stations[0], profile=profile
    )
    address = path.format(battery=battery.pk, profile=profile.pk, experiment=experiment.pk)
    for role in ("viewer", "nobody"):
        assert sign_in(role).post(address, BATTERY | PROFILE).status_code == 403
    assert Client().post(address, {}).headers["Location"].startswith("/sign-in/")
    assert operator.get(address).status_code in (200, 405)
    assert (Battery.objects.count(), Profile.objects.count(), Experiment.objects.count()) == (
        1,
        1,
        1,
    )
    assert Experiment.objects.get().status == Experiment.Status.QUEUED


def test_viewers_see_no_buttons_that_write(
    viewer: Client, stations: list[Station], battery: Battery, profile: Profile
) -> None:
    person = User.objects.get(username="operator")
    queue_experiment(person, name="E", battery=battery, station=stations[0], profile=profile)
    for path in (
        "/batteries/",
        f"/batteries/{battery.pk}/",
        "/profiles/",
        f"/profiles/{profile.pk}/",
        "/experiments/",
    ):
        body = viewer.get(path).content.decode()
        for words in ("/add/", "/edit/", "/retire/", "/cancel/"):
            assert words not in body, path


def test_people_without_a_role_see_nothing(sign_in: Callable[[str], Client]) -> None:
    for path in ("/batteries/", "/profiles/", "/experiments/"):
        assert sign_in("nobody").get(path).status_code == 403

"""What people tell runs and stations from the pages: who may, when it is offered, what is said."""

from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape

import pytest
from django.test import Client

from bem.lab.models import Battery, Command, Event, Experiment, Station

SignIn = Callable[[str | None], Client]
More = Callable[[int], None]

RUN = ("pause", "hold", "resume", "skip", "ends", "stop", "move", "queue-hold", "release")
STATION = ("acknowledge", "battery", "battery/remove", "lock", "unlock", "stop")
WRITES = (
    *(f"/experiments/{{experiment}}/{action}/" for action in RUN),
    *(f"/stations/{{station}}/{action}/" for action in STATION),
    "/stop-all/",
)


@pytest.fixture
def underway(station: Station, experiment: Experiment) -> Experiment:
    """Have the experiment run at its first step, as its station would report it."""
    Station.objects.filter(pk=station.pk).update(activity="running", battery=experiment.battery)
    Event.objects.create(
        experiment=experiment,
        seq=0,
        elapsed_us=0,
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        kind="step_started",
        severity="info",
        message="Step 1 began",
        data={"step": 1, "title": "Rest for 1 minute"},
    )
    return experiment


@pytest.fixture
def queued(station: Station, underway: Experiment) -> Experiment:
    """Have another of the same battery wait behind the one that runs."""
    _queue(station, "b")
    return Experiment.objects.get(name="b")


def _offered(client: Client, station: Station) -> set[str]:
    text = client.get(f"/stations/{station.pk}/").content.decode()
    names = ("pause", "hold", "resume", "skip", "ends", "stop", "lock", "unlock", "acknowledge")
    return {name for name in names if f'id="{name}-button"' in text}


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("role", ["viewer", None])
def test_nobody_below_an_operator_tells_anything(
    sign_in: SignIn, station: Station, experiment: Experiment, role: str | None, path: str
) -> None:
    address = path.format(station=station.pk, experiment=experiment.pk)
    assert sign_in(role).post(address, {"battery": "1", "step": "1"}).status_code == 403
    assert not Command.objects.exists()
    assert Station.objects.get().battery is None


@pytest.mark.parametrize("path", WRITES)
def test_a_stranger_is_sent_to_sign_in(
    client: Client, station: Station, experiment: Experiment, path: str
) -> None:
    address = path.format(station=station.pk, experiment=experiment.pk)
    assert client.post(address).headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("path", WRITES)
def test_looking_at_an_order_gives_none(
    sign_in: SignIn, station: Station, experiment: Experiment, path: str
) -> None:
    address = path.format(station=station.pk, experiment=experiment.pk)
    # The forms for all stations and for the battery are pages of their own.
    expected = 200 if path in ("/stop-all/", "/stations/{station}/battery/") else 405
    assert sign_in("admin").get(address).status_code == expected
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("activity", "offered"),
    [
        ("running", {"pause", "hold", "skip", "ends", "stop"}),
        ("held", {"resume", "pause", "skip", "ends", "stop"}),
        ("paused", {"resume", "skip", "ends", "stop", "lock"}),
        ("waiting", {"resume", "skip", "ends", "stop", "lock"}),
    ],
)
def test_only_what_the_activity_allows_is_offered(
    sign_in: SignIn,
    station: Station,
    underway: Experiment,
    hub: object,
    activity: str,
    offered: set[str],
) -> None:
    Station.objects.update(activity=activity)
    if activity != "running":
        Experiment.objects.update(status=Experiment.Status.PAUSED)
    assert _offered(sign_in("operator"), station) == offered
    assert _offered(sign_in("viewer"), station) == set()


def test_an_offline_station_can_only_be_told_to_stop(
    sign_in: SignIn, station: Station, underway: Experiment, hub: object
) -> None:
    station.node.online = False
    station.node.save()
    assert _offered(sign_in("operator"), station) == {"stop"}


def test_a_locked_station_offers_no_way_to_go_on(
    sign_in: SignIn, station: Station, underway: Experiment, hub: object
) -> None:
    Station.objects.update(activity="paused", lock_by="ana", lock_note="hands in")
    Experiment.objects.update(status=Experiment.Status.PAUSED)
    operator = sign_in("operator")
    assert _offered(operator, station) == {"skip", "ends", "stop"}
    assert "unlock" in _offered(sign_in("supervisor"), station)
    text = operator.get(f"/stations/{station.pk}/").content.decode()
    assert "Locked by ana" in text
    assert "hands in" in text


@pytest.mark.parametrize("page", ["/stations/{station}/", "/experiments/{experiment}/"])
def test_the_stop_dialog_says_what_the_queue_does_and_can_hold_it(
    sign_in: SignIn,
    station: Station,
    underway: Experiment,
    queued: Experiment,
    hub: object,
    page: str,
) -> None:
    path = page.format(station=station.pk, experiment=underway.pk)
    operator = sign_in("operator")
    text = operator.get(path).content.decode()
    assert f"“{queued}” is next in the queue and then starts by itself." in text
    hold_too = f'formaction="/stations/{station.pk}/stop/"'
    assert hold_too in text
    queued.follows = False
    queued.save()
    text = operator.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "does not start by itself then: it does not follow by itself" in unescape(text)
    queued.held = True
    queued.save()
    text = operator.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "Nothing follows in the queue." in text
    assert hold_too not in text
    assert "data-follows" not in sign_in("viewer").get(path).content.decode()


def test_stop_and_hold_the_queue_does_both_and_stop_only_the_one(
    sign_in: SignIn, station: Station, underway: Experiment, queued: Experiment, hub: object
) -> None:
    operator = sign_in("operator")
    operator.post(f"/experiments/{underway.pk}/stop/", {"note": "odd"})
    queued.refresh_from_db()
    assert not queued.held
    Command.objects.all().delete()
    answer = operator.post(f"/stations/{station.pk}/stop/", {"note": "odd"}, follow=True)
    assert "was told to stop; what waits there is held" in answer.content.decode()
    assert (Command.objects.get().action, Command.objects.get().experiment) == ("stop", underway)
    queued.refresh_from_db()
    assert queued.held


def test_orders_carry_the_note_and_the_step_that_was_seen(
    sign_in: SignIn, underway: Experiment, hub: object
) -> None:
    operator = sign_in("operator")
    for action in ("pause", "hold"):
        operator.post(f"/experiments/{underway.pk}/{action}/", {"note": f"to {action}"})
    operator.post(f"/experiments/{underway.pk}/skip/", {"step": "1", "note": "long enough"})
    operator.post(
        f"/experiments/{underway.pk}/ends/", {"step": "1", "ends": "for 5 minutes", "note": "more"}
    )
    told = {one.action: one for one in Command.objects.all()}
    assert set(told) == {"pause", "hold", "skip", "change_ends"}
    assert told["pause"].note == "to pause"
    assert told["skip"].arguments["step"] == 1
    assert told["change_ends"].arguments["ends"][0]["threshold"] == 300


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"step": "x", "ends": "for 1 min"}, "which step is meant is not known"),
        ({"step": "9", "ends": "for 1 min"}, "no step 9"),
        ({"step": "1", "ends": ""}, "say when the step ends"),
        ({"step": "1", "ends": "until the cows come home"}, "expected a duration such as"),
    ],
)
def test_ends_that_cannot_be_say_why(
    sign_in: SignIn, underway: Experiment, hub: object, given: dict[str, str], words: str
) -> None:
    answer = sign_in("operator").post(f"/experiments/{underway.pk}/ends/", given, follow=True)
    assert words in answer.content.decode().replace("&#x27;", "'")
    assert not Command.objects.exists()


def test_a_run_that_waits_says_for_what(
    sign_in: SignIn, station: Station, underway: Experiment, hub: object
) -> None:
    Station.objects.update(activity="waiting", waits_for="Swap the fixture")
    Experiment.objects.update(status=Experiment.Status.PAUSED)
    operator = sign_in("operator")
    for path in ("/", f"/stations/{station.pk}/", f"/experiments/{underway.pk}/"):
        assert "Swap the fixture" in operator.get(path).content.decode(), path
    operator.post(f"/experiments/{underway.pk}/resume/", {"note": "swapped", "back": "station"})
    assert Command.objects.get().action == "resume"


def test_the_answer_to_an_order_is_shown(
    sign_in: SignIn, station: Station, underway: Experiment, hub: object
) -> None:
    operator = sign_in("operator")
    operator.post(f"/experiments/{underway.pk}/pause/", {"note": "lunch"})
    page = f"/stations/{station.pk}/"
    assert "waiting for the station" in operator.get(page).content.decode()
    Command.objects.update(status=Command.Status.DONE, answered_at=datetime.now(UTC))
    text = operator.get(page).content.decode()
    assert "Pause by user-operator: done" in text
    assert "lunch" in text
    Command.objects.update(status=Command.Status.REFUSED, reason="the step has just ended")
    assert "the step has just ended" in operator.get(page).content.decode()


def test_a_person_says_which_battery_is_on_a_station(
    sign_in: SignIn, more: More, battery: Battery, hub: object
) -> None:
    more(1)
    place = Station.objects.get(slug="more-0")
    Experiment.objects.filter(status=Experiment.Status.RUNNING).delete()
    operator = sign_in("operator")
    page = f"/stations/{place.pk}/"
    assert "It starts when somebody says" in operator.get(page).content.decode()
    form = operator.get(f"{page}battery/").content.decode()
    assert f'<option value="{battery.pk}" selected>' in form
    operator.post(f"{page}battery/", {"battery": battery.pk})
    place.refresh_from_db()
    assert place.battery == battery
    text = operator.get(page).content.decode()
    assert "said user-operator" in text
    assert "It starts when somebody says" not in text
    operator.post(f"{page}battery/remove/")
    place.refresh_from_db()
    assert place.battery is None


def test_a_battery_that_is_none_is_refused(sign_in: SignIn, station: Station, hub: object) -> None:
    address = f"/stations/{station.pk}/battery/"
    operator = sign_in("operator")
    for given in ("", "x", "4711"):
        answer = operator.post(address, {"battery": given}, follow=True)
        assert "there is no such battery" in answer.content.decode()
    assert Station.objects.get().battery is None


def _queue(place: Station, names: str) -> None:
    running = place.experiments.get(status=Experiment.Status.RUNNING)
    place.experiments.filter(status=Experiment.Status.QUEUED).delete()
    for position, name in enumerate(names, 1):
        running.pk = None
        running._state.adding = True
        running.uuid = Experiment._meta.get_field("uuid").default()
        running.name, running.status, running.position = name, Experiment.Status.QUEUED, position
        running.save()


def _names(place: Station) -> str:
    rows = place.experiments.filter(status=Experiment.Status.QUEUED)
    return "".join(rows.order_by(*Experiment.QUEUE_ORDER).values_list("name", flat=True))


@pytest.mark.parametrize(
    ("moved", "to", "order"),
    [
        ("b", "up", "bacd"),
        ("b", "down", "acbd"),
        ("a", "up", "abcd"),
        ("d", "down", "abcd"),
        ("c", "down", "abdc"),
    ],
)
def test_the_queue_is_reordered_one_place_at_a_time(
    sign_in: SignIn, station: Station, moved: str, to: str, order: str
) -> None:
    _queue(station, "abcd")
    one = Experiment.objects.get(name=moved)
    answer = sign_in("operator").post(
        f"/experiments/{one.pk}/move/", {"to": to}, headers={"HX-Request": "true"}
    )
    assert _names(station) == order
    body = answer.content.decode()
    assert 'id="station-queue"' in body
    assert "<html" not in body


def test_what_waits_is_held_let_go_and_says_why_it_waits(
    sign_in: SignIn, station: Station, hub: object
) -> None:
    _queue(station, "ab")
    first = Experiment.objects.get(name="a")
    operator = sign_in("operator")
    page = f"/stations/{station.pk}/"
    assert "Waits: experiment" in operator.get(page).content.decode()
    answer = operator.post(f"/experiments/{first.pk}/queue-hold/", {"held": "yes"})
    assert answer.headers["Location"] == page
    first.refresh_from_db()
    assert first.held
    assert "Held: passed over" in operator.get(page).content.decode()
    operator.post(f"/experiments/{first.pk}/queue-hold/", {"held": "no"})
    Experiment.objects.filter(pk=first.pk).update(follows=False)
    assert "Let it start" in operator.get(page).content.decode()
    operator.post(f"/experiments/{first.pk}/release/")
    first.refresh_from_db()
    assert first.released_at is not None
    assert not first.held


def test_stop_all_tells_every_station_and_says_how_many(
    sign_in: SignIn, experiment: Experiment, more: More, hub: object
) -> None:
    more(2)
    operator = sign_in("operator")
    assert "stop-all-dialog" in operator.get("/").content.decode()
    assert experiment.name in operator.get("/stop-all/").content.decode()
    answer = operator.post("/stop-all/", {"note": "smoke"}, follow=True)
    assert "3 stations were told to stop" in answer.content.decode()
    assert set(Command.objects.values_list("action", "note")) == {("stop", "smoke")}
    assert not Experiment.objects.filter(status=Experiment.Status.QUEUED, held=False).exists()


def test_viewers_have_no_button_that_stops_all(viewer: Client, hub: object) -> None:
    assert "stop-all" not in viewer.get("/").content.decode()


def test_warnings_of_a_station_are_shown(viewer: Client, station: Station, hub: object) -> None:
    Station.objects.update(warnings=["the disk has 8 % left <b>"])
    for path in ("/", f"/stations/{station.pk}/"):
        assert "the disk has 8 % left &lt;b&gt;" in viewer.get(path).content.decode()

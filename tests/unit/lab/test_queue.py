"""The queue of a station runs in people's order, and says why something waits."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from bem.domain.program import Compare, Limit, Limited
from bem.lab.models import (
    Battery,
    Command,
    CycleResult,
    Event,
    Experiment,
    Node,
    Profile,
    Station,
)
from bem.lab.operations.batteries import BatteryInput, add_battery
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import edit_experiment, queue_experiment
from bem.lab.operations.profiles import ProfileInput, add_profile
from bem.lab.operations.stations import confirm_battery
from bem.lab.operations.waiting import hold_in_queue, move_experiment, release_experiment
from bem.lab.waiting import queue_of, why_waiting

Queue = Callable[..., Experiment]


@pytest.fixture
def queue(operator: User, battery: Battery, station: Station, profile: Profile) -> Queue:
    def add(name: str, **more: object) -> Experiment:
        given: dict[str, Any] = {"battery": battery, "station": station, "profile": profile}
        return queue_experiment(operator, name=name, **(given | more))

    return add


def order(station: Station) -> str:
    return "".join(one.name for one in queue_of(station.pk))


def why(experiment: Experiment) -> str:
    return why_waiting(Experiment.objects.get(pk=experiment.pk))


def test_experiments_are_moved_before_others_and_to_the_end(
    operator: User, station: Station, queue: Queue
) -> None:
    a, b, c = queue("a"), queue("b"), queue("c")
    move_experiment(operator, c, before=a)
    assert order(station) == "cab"
    move_experiment(operator, c, before=b)
    assert order(station) == "acb"
    move_experiment(operator, a)
    assert order(station) == "cba"
    move_experiment(operator, b, before=b)
    queue("d")
    assert order(station) == "cbad"


def test_nothing_is_moved_before_what_does_not_wait_there(
    operator: User, station: Station, queue: Queue
) -> None:
    a, b = queue("a"), queue("b")
    Experiment.objects.filter(pk=a.pk).update(status="running")
    with pytest.raises(OperationRefused, match="“a” does not wait at “one” any more"):
        move_experiment(operator, b, before=a)
    with pytest.raises(OperationRefused, match="“a” is running"):
        move_experiment(operator, a)
    with pytest.raises(OperationRefused, match="“a” is running"):
        hold_in_queue(operator, a, True)
    with pytest.raises(OperationRefused, match="“a” is running"):
        release_experiment(operator, a)


def test_a_viewer_leaves_the_queue_as_it_is(viewer: User, queue: Queue) -> None:
    waiting = queue("a")
    with pytest.raises(PermissionDenied):
        move_experiment(viewer, waiting)
    with pytest.raises(PermissionDenied):
        hold_in_queue(viewer, waiting, True)
    with pytest.raises(PermissionDenied):
        release_experiment(viewer, waiting)
    with pytest.raises(PermissionDenied):
        edit_experiment(viewer, waiting, name="b")


def test_each_reason_to_wait_is_said(
    operator: User, battery: Battery, station: Station, queue: Queue
) -> None:
    first, second = queue("first"), queue("second")
    assert "nobody has said that battery “Cell (1)” is on the station" in why(first)
    confirm_battery(operator, station, battery)
    assert why(first) == ""
    assert why(second) == "experiment “first” is before it"
    hold_in_queue(operator, first, True)
    assert why(first) == "held in the queue by a person"
    assert why(second) == ""
    for changes, words in (
        ({"lock_by": "anna", "lock_note": "hands in"}, "locked by anna: hands in"),
        ({"state": "fault", "state_reason": "too hot"}, "acknowledges it: too hot"),
        ({"state": "lost", "state_reason": "no answer"}, "device lost: no answer"),
        ({"present": False}, "has no station “one” any more"),
    ):
        before = {field: getattr(station, field) for field in changes}
        Station.objects.update(**changes)
        assert words in why(second)
        Station.objects.update(**before)
    Node.objects.update(online=False)
    assert why(second) == "node node-1 is offline"
    Node.objects.update(online=True)
    Experiment.objects.filter(pk=first.pk).update(status="paused")
    assert why(second) == "experiment “first” is paused at the station"
    assert why(first) == "", "it does not wait"


def test_a_start_that_failed_is_said_with_the_next_attempt(
    operator: User, battery: Battery, station: Station, queue: Queue
) -> None:
    waiting = queue("a")
    confirm_battery(operator, station, battery)
    Experiment.objects.update(status_reason="not started: door open")
    Command.objects.create(
        station=station,
        experiment=waiting,
        action="start",
        status="refused",
        expires_at=timezone.now(),
        answered_at=timezone.now() - timedelta(seconds=1),
    )
    assert why(waiting).startswith("not started: door open; tried again at ")


def test_what_may_not_follow_waits_for_a_word(
    operator: User, battery: Battery, station: Station, queue: Queue
) -> None:
    confirm_battery(operator, station, battery)
    alone = queue("alone", follows=False)
    assert why(alone) == "", "nothing has run on the battery since it was put there"
    Experiment.objects.filter(pk=queue("before").pk).update(
        status="finished", started_at=timezone.now()
    )
    assert "say that it may start" in why(alone)
    release_experiment(operator, alone)
    assert why(alone) == ""


HOT = Limit(quantity=Limited.TEMPERATURE, compare=Compare.AT_LEAST, threshold=45.0)
CELL_HIGH = Limit(quantity=Limited.CELL_VOLTAGE, compare=Compare.AT_LEAST, threshold=4.25)
DRY = Limit(quantity=Limited.FLOW, compare=Compare.AT_MOST, threshold=1.0)


def measures(station: Station, *channels: str, **changes: object) -> None:
    told = [{"name": name, "unit": "", "title": name} for name in channels]
    Station.objects.filter(pk=station.pk).update(device="EPC", channels=told, **changes)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            HOT,
            "“one” measures no temperature, so nothing would watch the limit temperature above 45;",
        ),
        (CELL_HIGH, "nothing would watch the limit cell voltage above 4.25; it"),
        (DRY, "nothing would watch the limit flow below 1; it measures pressure_1:"),
    ],
)
def test_a_limit_that_no_sensor_of_the_station_could_watch_is_refused(
    operator: User, station: Station, queue: Queue, limit: Limit, said: str
) -> None:
    waiting = queue("before")
    measures(station, "pressure_1")
    with pytest.raises(OperationRefused) as refused:
        queue("a", limits=[limit])
    assert said in refused.value.problems["limits"][0]
    assert "it measures pressure_1: take the limit out" in refused.value.problems["limits"][0]
    with pytest.raises(OperationRefused, match="measures no"):
        edit_experiment(operator, waiting, limits=[limit])
    assert not Experiment.objects.filter(name="a").exists()


def test_a_limit_that_a_sensor_of_the_station_watches_is_taken(
    station: Station, queue: Queue
) -> None:
    measures(station, "temperature_body", "cell_voltage_1", "flow_1")
    assert len(queue("a", limits=[HOT, CELL_HIGH, DRY]).limits) == 3


@pytest.mark.parametrize("state", ["lost", "down", "fault", "running"])
def test_a_station_whose_device_was_not_found_yet_may_have_any_sensor(
    station: Station, queue: Queue, state: str
) -> None:
    measures(station, "flow_1")
    Station.objects.update(device="", state=state)
    assert queue("a", limits=[HOT]).status == "queued"


def test_a_waiting_experiment_is_edited_and_compiled_anew(operator: User, queue: Queue) -> None:
    bound = Limit(quantity=Limited.TEMPERATURE, compare=Compare.AT_LEAST, threshold=45.0)
    waiting = queue("a", limits=[bound], expected={"duration_s": 1.0}, on_interruption="wait")
    assert waiting.limits[0]["owner"] == "experiment"
    same = edit_experiment(operator, waiting, name=" b ", follows=False)
    assert (same.name, same.follows, same.expected) == ("b", False, {"duration_s": 1.0})
    assert same.on_interruption == "wait"
    other = add_profile(operator, ProfileInput(name="O", text="Rest for 1 h"))
    changed = edit_experiment(operator, same, profile=other)
    assert changed.expected is None, "it was expected of another program"
    assert changed.program["name"] == "O"
    assert len(changed.program["operations"]) == 1
    wrong: tuple[dict[str, Any], ...] = (
        {"on_interruption": "explode"},
        {"capacity_source": "guessed"},
        {"name": " "},
    )
    for given in wrong:
        with pytest.raises(OperationRefused, match=next(iter(given))):
            edit_experiment(operator, changed, **given)
    Experiment.objects.update(status="running")
    with pytest.raises(OperationRefused, match="only a queued experiment can be edited"):
        edit_experiment(operator, changed, name="c")


def test_a_rate_is_taken_of_the_capacity_measured_last(
    operator: User, battery: Battery, queue: Queue
) -> None:
    with pytest.raises(OperationRefused, match="no complete cycle of “Cell \\(1\\)” is recorded"):
        queue("a", capacity_source="measured")
    ended = timezone.now()
    for name, began, capacity in (("new", 1, 2.0), ("old", 2, 2.4)):
        run = queue(name)
        run.started_at = ended - timedelta(days=began)
        run.status = "finished"
        run.save()
        for cycle, moved in ((1, capacity + 0.1), (2, capacity), (3, 0.0)):
            CycleResult.objects.create(
                experiment=run,
                cycle=cycle,
                duration_us=1,
                charge_in=3.0,
                charge_out=moved,
                energy_in=1.0,
                energy_out=1.0,
            )
            Event.objects.create(
                experiment=run,
                seq=cycle,
                elapsed_us=1,
                at=ended - timedelta(hours=cycle),
                kind="cycle_ended",
                severity="info",
                message="cycle",
                data={"cycle": cycle},
            )
    made = queue("b", capacity_source="measured")
    assert made.program["capacity"] == 2.0
    assert made.program["operations"][0]["setpoint"]["value"] == 1.0
    assert queue("c").program["capacity"] == 2.5


def test_an_experiment_of_another_battery_asks_for_it(
    operator: User, cell: BatteryInput, battery: Battery, station: Station, queue: Queue
) -> None:
    confirm_battery(operator, station, battery)
    other = add_battery(operator, replace(cell, serial_number="2"))
    assert "battery “Cell (2)” is on" in why(queue("a", battery=other))
    assert why(queue("b")) == "experiment “a” is before it"


def test_parameters_are_filled_in_as_people_write_them(operator: User, queue: Queue) -> None:
    text = "Parameter rate = C/2\nCharge at {rate} until 4.2 V\n"
    made = add_profile(operator, ProfileInput(name="P", text=text))
    waiting = queue("a", profile=made, parameters={"rate": "1C"})
    assert waiting.parameters == {"rate": "1C"}
    assert waiting.profile_text == text
    assert waiting.program["operations"][0]["setpoint"]["value"] == 2.5
    assert queue("b", profile=made).program["operations"][0]["setpoint"]["value"] == 1.25
    for wrong in ({"rat": "1C"}, {"rate": "4 V"}, {"rate": "fast"}):
        with pytest.raises(OperationRefused) as refused:
            queue("c", profile=made, parameters=wrong)
        assert "parameters" in refused.value.problems
    other = add_profile(operator, ProfileInput(name="O", text="Rest for 1 h"))
    assert edit_experiment(operator, waiting, profile=other).parameters == {}

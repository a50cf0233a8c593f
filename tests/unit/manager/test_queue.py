"""What starts by itself, in which order, and what waits for a person."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bem.lab.models import Battery, Command, Experiment, Station
from bem.messages import Outcome

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench


def started(bench: "Bench") -> list[str]:
    return [order.arguments["name"] for order in bench.orders() if order.action == "start"]


def test_nothing_starts_before_a_person_has_said_which_battery_is_there(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment(confirmed=False)
    bench.pass_time(5, [bench.station()])
    assert started(bench) == []
    Station.objects.update(battery=experiment.battery, battery_confirmed_at=bench.now)
    bench.pass_time(1)
    assert started(bench) == ["run"]


def test_another_battery_is_asked_for_and_nothing_overtakes(bench: "Bench") -> None:
    bench.report()
    bench.experiment("first")
    bench.experiment("behind")
    other = Battery.objects.create(
        name="other",
        technology="lithium",
        voltage_min=2.5,
        voltage_max=4.2,
        current_min=-3,
        current_max=3,
    )
    Experiment.objects.filter(name="first").update(battery=other)
    bench.pass_time(5, [bench.station()])
    assert started(bench) == []
    Station.objects.update(battery=other)
    bench.pass_time(1)
    assert started(bench) == ["first"]


def test_the_queue_runs_in_peoples_order_and_passes_over_what_is_held(bench: "Bench") -> None:
    bench.report()
    for position, name in ((3, "late"), (2, "held"), (2, "next")):
        experiment = bench.experiment(name)
        experiment.position, experiment.held = position, name == "held"
        experiment.save()
    bench.pass_time(1)
    assert started(bench) == ["next"]


def test_what_may_not_follow_waits_until_it_is_released(bench: "Bench") -> None:
    bench.report()
    alone = bench.experiment("alone")
    before = bench.experiment("before")
    Experiment.objects.filter(pk=alone.pk).update(follows=False)
    Experiment.objects.filter(pk=before.pk).update(status="finished", started_at=bench.now)
    bench.pass_time(5, [bench.station()])
    assert started(bench) == []
    Experiment.objects.filter(pk=alone.pk).update(released_at=bench.now)
    bench.pass_time(1)
    assert started(bench) == ["alone"]


def test_a_locked_station_starts_nothing(bench: "Bench") -> None:
    lock = {"by": "anna", "note": "hands in", "at": bench.now}
    bench.report(bench.station(lock=lock))
    bench.experiment()
    bench.pass_time(5, [bench.station(lock=lock)])
    station = Station.objects.get()
    assert (station.lock_by, station.lock_note) == ("anna", "hands in")
    assert started(bench) == []
    bench.report(bench.station())
    bench.pass_time(1)
    assert started(bench) == ["run"]


def test_a_lock_counts_from_its_answer(bench: "Bench") -> None:
    bench.report()
    for action, held in (("lock", "anna"), ("unlock", "")):
        Command.objects.create(
            station=Station.objects.get(),
            action=action,
            arguments={"by": "anna", "note": "hands in"},
            note="hands in",
            expires_at=bench.now + timedelta(seconds=30),
        )
        bench.pass_time(0.5)
        bench.answer(bench.orders()[-1], Outcome.DONE)
        assert Station.objects.get().lock_by == held


@pytest.mark.parametrize("activity", ["paused", "held", "waiting"])
def test_the_station_tells_of_a_pause_before_its_events_arrive(
    activity: str, bench: "Bench"
) -> None:
    bench.report()
    run = bench.experiment()
    run.status = "running"
    run.save()

    def tell(now: str) -> str:
        bench.report(
            bench.station(state="running", experiment=run.uuid, activity=now, waits_for="look")
        )
        run.refresh_from_db()
        return run.status

    assert tell(activity) == "paused"
    assert Station.objects.get().activity == activity
    assert Station.objects.get().waits_for == "look"
    assert tell("running") == "running"
    Experiment.objects.update(status="stopped")
    assert tell(activity) == "stopped", "what has ended stays ended"


def test_warnings_of_a_station_are_kept_while_it_is_down(bench: "Bench") -> None:
    bench.report(bench.station(warnings=["the disk has 4 % left"]))
    assert Station.objects.get().warnings == ["the disk has 4 % left"]
    bench.report(bench.station(state="down"))
    assert Station.objects.get().warnings == ["the disk has 4 % left"]


def test_other_equipment_asks_for_the_battery_again(bench: "Bench") -> None:
    power = {"driver": "epc", "settings": {"bus": "can0"}}
    bench.report(bench.station(definition={"name": "One", "power": power}))
    bench.experiment()
    Station.objects.update(state="fault")
    bench.report(bench.station(state="fault", definition={"name": "Uno", "power": power}))
    assert Station.objects.get().battery is not None
    other = {**power, "settings": {"bus": "can1"}}
    bench.report(bench.station(state="fault", definition={"name": "Uno", "power": other}))
    assert Station.objects.get().battery is None

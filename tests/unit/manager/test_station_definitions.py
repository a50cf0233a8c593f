"""Definitions go down to a node, its drivers and definitions come up."""

from datetime import timedelta
from typing import TYPE_CHECKING

from bem.lab.models import Command, DriverList, Station
from bem.messages import DriverReport, NodeStatus, Outcome, Topic

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench

DEFINITION = {"id": "one", "name": "One", "power": {"driver": "virtual", "settings": {}}}


def test_a_definition_goes_to_a_station_that_is_not_there_yet(bench: "Bench") -> None:
    bench.report(bench.station("other"))
    station = Station.objects.create(
        node=bench.node(), slug="one", name="One", state="down", period_ms=100, present=False
    )
    command = Command.objects.create(
        station=station,
        action="define",
        arguments={"before": None, "definition": DEFINITION},
        expires_at=bench.now + timedelta(seconds=30),
    )
    bench.pass_time(1)
    (order,) = bench.orders()
    assert (order.station, order.action) == ("one", "define")
    assert order.arguments["definition"] == DEFINITION
    bench.answer(order, Outcome.REFUSED, "no such port")
    command.refresh_from_db()
    assert (command.status, command.reason) == ("refused", "no such port")
    bench.report(bench.station("other"), bench.station(definition=DEFINITION))
    station.refresh_from_db()
    assert station.present
    assert station.definition == DEFINITION


def test_drivers_are_kept_until_told_anew(bench: "Bench") -> None:
    def tell(*names: str) -> None:
        drivers = tuple(DriverReport(name=n, title=n, settings={"type": "object"}) for n in names)
        bench.arrive(
            Topic.STATUS,
            NodeStatus(
                session=bench.session,
                sent_at=bench.now,
                version="1",
                hostname="node-a",
                drivers=drivers,
            ),
        )

    def known() -> list[str]:
        return [one["name"] for one in DriverList.objects.get(node="node-a").drivers]

    bench.report()
    assert not DriverList.objects.exists()
    tell("epc", "virtual")
    assert known() == ["epc", "virtual"]
    bench.report()
    assert known() == ["epc", "virtual"]
    tell("epc")
    assert known() == ["epc"]

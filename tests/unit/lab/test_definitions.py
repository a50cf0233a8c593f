"""Who may make, change and remove stations, and what is refused beside which field."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from bem.lab.models import Battery, Command, DriverList, Node, Profile, Station
from bem.lab.operations.definitions import (
    LONGEST_DEFINITION,
    MeterInput,
    StationInput,
    add_station,
    edit_station,
    fingerprint,
    remove_station,
)
from bem.lab.operations.driver_settings import settings_problems
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import queue_experiment
from bem.messages import MAX_DEFINITION
from bem_drivers.registry import driver

GIVEN = StationInput("Bench", "epc", {"bus": {"channel": "can1"}, "device_id": 0x14})
DEFINITION = {
    "id": "one",
    "name": "Bench",
    "period_ms": 100,
    "silence_s": 1.0,
    "time_scale": 1.0,
    "power": {"driver": "epc", "settings": GIVEN.settings},
    "meters": [],
}


@pytest.fixture
def node(station: Station) -> Node:
    drivers = [
        {
            "name": name,
            "title": driver(name).title,
            "settings": driver(name).settings.model_json_schema(),
            "power": driver(name).has_power_path,
        }
        for name in ("epc", "flow", "kel103", "source-and-load", "virtual")
    ]
    DriverList.objects.create(node=station.node, drivers=drivers)
    return station.node


def problems(call: Callable[[], object]) -> dict[str, list[str]]:
    with pytest.raises(OperationRefused) as caught:
        call()
    return caught.value.problems


def test_a_new_station_is_ordered_and_waits_to_be_reported(supervisor: User, node: Node) -> None:
    command = add_station(supervisor, node, "epc-3", GIVEN, " new bench ")
    assert command.action == "define"
    assert command.issued_by == supervisor
    assert command.note == "new bench"
    assert command.arguments == {
        "by": "supervisor",
        "note": "new bench",
        "before": None,
        "definition": DEFINITION | {"id": "epc-3"},
    }
    assert not command.station.present
    assert (command.station.slug, command.station.name) == ("epc-3", "Bench")


def test_a_removed_one_comes_back_with_its_records(
    supervisor: User, node: Node, station: Station
) -> None:
    Station.objects.update(present=False)
    assert add_station(supervisor, node, station.slug, GIVEN).station == station


def test_a_change_says_what_was_before(supervisor: User, node: Node, station: Station) -> None:
    before = DEFINITION | {"name": "Old"}
    Station.objects.update(definition=before)
    command = edit_station(supervisor, station, GIVEN, seen=fingerprint(before))
    assert command.arguments["before"] == before
    assert command.arguments["definition"] == DEFINITION


def test_a_removal_says_what_was(supervisor: User, node: Node, station: Station) -> None:
    Station.objects.update(definition=DEFINITION)
    command = remove_station(supervisor, station, "sold")
    assert (command.action, command.arguments["before"]) == ("remove", DEFINITION)
    assert "definition" not in command.arguments


def test_only_supervisors(operator: User, node: Node, station: Station) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: add_station(operator, node, "two", GIVEN),
        lambda: edit_station(operator, station, GIVEN, seen=fingerprint(None)),
        lambda: remove_station(operator, station),
    )
    for call in calls:
        with pytest.raises(PermissionDenied, match="supervisor"):
            call()
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("slug", "given", "field", "reason"),
    [
        ("one", GIVEN, "slug", "has a station 'one' already"),
        ("Not so", GIVEN, "slug", "lower-case letters, digits and hyphens"),
        ("", GIVEN, "slug", "lower-case"),
        ("../etc", GIVEN, "slug", "lower-case"),
        ("x", StationInput(" ", "epc", GIVEN.settings), "name", "at least 1 character"),
        ("x", StationInput("X", "epx", {}), "driver", "no driver 'epx'; it has: epc, flow, kel103"),
        ("x", StationInput("X", "flow", {}), "driver", "driver 'flow' only measures: choose one"),
        ("x", StationInput("X", "epc", {}), "settings.bus", "is needed"),
        (
            "x",
            StationInput("X", "epc", {"bus": {"interface": "usb"}}),
            "settings.bus.interface",
            "'usb' is not one of",
        ),
        (
            "x",
            StationInput("X", "epc", {"bus": {}, "serial_number": 300}),
            "settings.serial_number",
            "300 is greater than the maximum of 255",
        ),
        (
            "x",
            StationInput("X", "epc", {"bus": {}, "colour": 1}),
            "settings",
            "'colour' was unexpected",
        ),
        ("x", StationInput("X", "epc", GIVEN.settings, period_ms=1), "period_ms", "equal to 10"),
        (
            "x",
            StationInput("X", "epc", GIVEN.settings, period_ms=900),
            "silence_s",
            "at least 2 periods of period_ms 900: 1.8 s",
        ),
        ("x", StationInput("X", "epc", GIVEN.settings, time_scale=0.5), "time_scale", "equal to 1"),
    ],
)
def test_refusals_name_the_field(
    slug: str, given: StationInput, field: str, reason: str, supervisor: User, node: Node
) -> None:
    found = problems(lambda: add_station(supervisor, node, slug, given))
    assert [*found] == [field]
    assert reason in found[field][0]
    assert not Command.objects.exists()
    assert Station.objects.count() == 1


FLOW = {"address": {"kind": "serial", "port": "/dev/bem/flow"}}


def with_meters(*meters: MeterInput) -> StationInput:
    return replace(GIVEN, meters=meters)


def test_meters_are_part_of_the_order(supervisor: User, node: Node) -> None:
    meter = MeterInput("flow", "flow", FLOW, {"flow_1": "flow_in"}, required=False, stale_s=5)
    command = add_station(supervisor, node, "epc-3", with_meters(meter))
    assert command.arguments["definition"]["meters"] == [
        {
            "driver": "flow",
            "settings": FLOW,
            "name": "flow",
            "channels": {"flow_1": "flow_in"},
            "required": False,
            "stale_s": 5.0,
        }
    ]


@pytest.mark.parametrize(
    ("meter", "field", "reason"),
    [
        (MeterInput("Not so", "flow", FLOW), "meters.0.name", "beginning with a letter"),
        (MeterInput("m", "no", FLOW), "meters.0.driver", "no driver 'no'"),
        (MeterInput("m", "virtual"), "meters.0.driver", "drives current, which nobody would"),
        (MeterInput("m", "flow", FLOW, stale_s=0.1), "meters.0.stale_s", "equal to 0.5"),
        (MeterInput("m", "flow", FLOW, {"a": "B"}), "meters.0.channels.a", "lower-case"),
        (
            MeterInput("m", "flow", FLOW, {"voltage": "voltage"}),
            "meters",
            "is the power path's own",
        ),
        (MeterInput("m", "flow", {}), "meters.0.settings.address", "is needed"),
        (
            MeterInput("m", "flow", {"address": {"port": "x"}}),
            "meters.0.settings.address.kind",
            "is needed",
        ),
        (
            MeterInput("m", "flow", {"address": {"kind": "usb", "port": "x"}}),
            "meters.0.settings.address.kind",
            "'usb' is not one of serial, tcp",
        ),
        (
            MeterInput("m", "flow", {"address": {"kind": "tcp", "host": "h", "port": 70_000}}),
            "meters.0.settings.address.port",
            "70000 is greater than the maximum of 65535",
        ),
        (
            MeterInput("m", "flow", {"address": {"kind": "tcp", "port": 1}}),
            "meters.0.settings.address.host",
            "is needed",
        ),
    ],
)
def test_refusals_name_the_field_of_the_meter(
    meter: MeterInput, field: str, reason: str, supervisor: User, node: Node
) -> None:
    found = problems(lambda: add_station(supervisor, node, "x", with_meters(meter)))
    assert [*found] == [field]
    assert reason in found[field][0]


def test_one_that_is_too_long_to_be_told_back_is_refused(supervisor: User, node: Node) -> None:
    assert LONGEST_DEFINITION == MAX_DEFINITION
    meters = tuple(
        MeterInput(f"m{number}", "virtual", channels={"voltage": f"v{number}_{'x' * 50}"})
        for number in range(200)
    )
    found = problems(lambda: add_station(supervisor, node, "a", replace(GIVEN, meters=meters)))
    assert "at most 16384" in found["meters"][0]


@pytest.mark.parametrize("told", [{}, {"power": None}])
def test_the_node_decides_where_a_driver_does_not_tell_whether_it_has_a_power_path(
    supervisor: User, node: Node, told: dict[str, None]
) -> None:
    kept = DriverList.objects.get(node=node)
    kept.drivers = [
        {name: value for name, value in one.items() if name != "power"} | told
        for one in kept.drivers
    ]
    kept.save()
    given = with_meters(MeterInput("m", "virtual"))
    assert add_station(supervisor, node, "x", given).action == "define"


def test_two_meters_of_one_name(supervisor: User, node: Node) -> None:
    twice = with_meters(MeterInput("m", "flow", FLOW), MeterInput("m", "flow", FLOW))
    found = problems(lambda: add_station(supervisor, node, "x", twice))
    assert "two have the meter name 'm'" in found["meters"][0]


@pytest.mark.parametrize(
    ("load", "field", "reason"),
    [
        ({"driver": "none"}, "settings.load.driver", "no driver 'none'"),
        ({"driver": "kel103"}, "settings.load.settings.address", "is needed"),
        (
            {"driver": "kel103", "settings": {"address": {"kind": "tcp", "host": "h"}}},
            "settings.load.settings.address.port",
            "is needed",
        ),
        ({"driver": "kel103", "settings": []}, "settings.load.settings", "not of type 'object'"),
        ({}, "settings.load.driver", "is needed"),
    ],
)
def test_drivers_within_a_driver_are_judged_too(
    load: dict[str, Any], field: str, reason: str, supervisor: User, node: Node
) -> None:
    good = {"driver": "kel103", "settings": {"address": {"kind": "serial", "port": "/dev/bem/k"}}}
    given = StationInput("X", "source-and-load", {"source": good, "load": load})
    found = problems(lambda: add_station(supervisor, node, "x", given))
    assert [*found] == [field]
    assert reason in found[field][0]


def test_of_an_offline_node_nothing_is_changed(
    supervisor: User, node: Node, station: Station
) -> None:
    Node.objects.update(online=False)
    node.refresh_from_db()
    for call in (
        lambda: add_station(supervisor, node, "two", GIVEN),
        lambda: edit_station(supervisor, station, GIVEN, seen=fingerprint(None)),
        lambda: remove_station(supervisor, station),
    ):
        assert "is offline" in problems(call)["node"][0]


def test_a_definition_that_is_another_by_now(
    supervisor: User, node: Node, station: Station
) -> None:
    Station.objects.update(definition=DEFINITION)
    found = problems(lambda: edit_station(supervisor, station, GIVEN, seen=fingerprint(None)))
    assert "was changed in the meantime" in found["__all__"][0]


def test_not_while_an_experiment_waits_or_runs(
    supervisor: User,
    node: Node,
    station: Station,
    battery: Battery,
    profile: Profile,
) -> None:
    experiment = queue_experiment(
        supervisor, name="Run", battery=battery, station=station, profile=profile
    )
    for status, remedy in (
        ("queued", "cancel it first"),
        ("starting", "stop it first"),
        ("running", "stop it first"),
    ):
        type(experiment).objects.update(status=status)
        for call in (
            lambda: edit_station(supervisor, station, GIVEN, seen=fingerprint(None)),
            lambda: remove_station(supervisor, station),
        ):
            reason = problems(call)["__all__"][0]
            assert reason.startswith("experiment “Run” is ")
            assert reason.endswith(remedy)


def test_one_change_at_a_time_and_nothing_is_queued_meanwhile(
    supervisor: User,
    node: Node,
    station: Station,
    battery: Battery,
    profile: Profile,
) -> None:
    remove_station(supervisor, station)
    assert "is being told already (remove station)" in str(
        problems(lambda: edit_station(supervisor, station, GIVEN, seen=fingerprint(None)))
    )
    found = problems(
        lambda: queue_experiment(
            supervisor, name="Run", battery=battery, station=station, profile=profile
        )
    )
    assert "is being changed" in found["station"][0]


def test_a_station_that_is_gone(supervisor: User, node: Node, station: Station) -> None:
    Station.objects.update(present=False)
    assert "not there any more" in str(problems(lambda: remove_station(supervisor, station)))


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"properties": 3}])
def test_a_schema_that_is_none_finds_nothing(schema: dict[str, Any]) -> None:
    assert settings_problems(schema, {"a": 1}) == []

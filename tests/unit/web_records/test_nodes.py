"""The page of a node with its devices, and the way from a device to a station."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bem.lab.models import Device, DriverList, Node, Station
from bem_drivers.registry import driver

NODE = "/nodes/node-1/"


@pytest.fixture
def node(stations: list[Station]) -> Node:
    node = stations[0].node
    drivers = [
        {
            "name": name,
            "title": driver(name).title,
            "settings": driver(name).settings.model_json_schema(),
        }
        for name in ("epc", "flow")
    ]
    DriverList.objects.create(node=node, drivers=drivers)
    return node


@pytest.fixture
def supervisor(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("supervisor")


def add(node: Node, place: str = "slcan:/dev/can, EPC 0x14", **facts: object) -> Device:
    now = timezone.now()
    known: dict[str, Any] = {"state": "free", "driver": "epc", "make": "Wattrex", "model": "EPC"}
    return Device.objects.create(
        node=node,
        key=place,
        place=place,
        since=now,
        first_seen=now,
        last_seen=now,
        **known | facts,
    )


def page(client: Client, address: str = NODE, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_free_device_is_shown_with_all_that_it_told(viewer: Client, node: Node) -> None:
    add(node, serial="42", firmware="7")
    shown = page(viewer)
    for fact in ("Wattrex EPC", driver("epc").title, "42", "7", "slcan:/dev/can", "Free"):
        assert fact in shown
    assert "Make a station" not in shown


def test_the_station_that_has_a_device_is_linked(
    viewer: Client, node: Node, stations: list[Station]
) -> None:
    add(node, state="used", station_slug="wide")
    assert f'href="/stations/{stations[0].pk}/">wide</a>' in page(viewer)


def test_an_unknown_device_is_shown_with_what_it_answered_and_no_more(
    supervisor: Client, node: Node
) -> None:
    add(node, driver="", make="", model="", state="unknown", answered="<b>KEITHLEY</b>")
    shown = page(supervisor)
    assert "Unknown device" in shown
    assert "&lt;b&gt;KEITHLEY" in shown
    assert "Make a station" not in shown


def test_a_device_that_has_gone_stands_last_and_makes_no_station(
    supervisor: Client, node: Node
) -> None:
    add(node, "a", model="Old", present=False)
    add(node, "b", model="New", state="used", used_by="process 7 (minicom)")
    shown = page(supervisor)
    assert shown.index("Wattrex New") < shown.index("Wattrex Old") < shown.index("Gone")
    assert "process 7 (minicom)" in shown
    assert "Make a station" not in shown


def test_the_page_follows_by_itself(viewer: Client, node: Node) -> None:
    assert f'hx-get="{NODE}" hx-trigger="every 5s"' in page(viewer)
    assert "No devices found" in page(viewer)
    add(node)
    part = page(viewer, **{"HX-Request": "true"})
    assert "<html" not in part
    assert "Wattrex EPC" in part


def test_a_node_that_nobody_knows_has_no_page(viewer: Client, node: Node) -> None:
    assert viewer.get("/nodes/other/").status_code == 404
    assert viewer.get(NODE[:-1]).status_code in (301, 404)


def test_the_stations_lead_to_the_devices_of_their_node(viewer: Client, node: Node) -> None:
    assert f'href="{NODE}"' in page(viewer, "/stations/")


def test_a_station_is_begun_from_a_free_device(supervisor: Client, node: Node) -> None:
    bus = {"interface": "slcan", "channel": "/dev/can"}
    device = add(node, settings={"bus": bus, "device_id": 20, "serial_number": 9})
    address = f"/stations/add/?device={device.pk}"
    assert f'href="{address}"' in page(supervisor)
    form = page(supervisor, address)
    assert 'value="/dev/can"' in form
    assert 'value="20"' in form
    assert 'value="Wattrex EPC"' in form
    assert '<option value="slcan" selected>' in form
    assert '<option value="epc" selected>' in form


FLOW: dict[str, Any] = {
    "driver": "flow",
    "model": "FLOWmeter",
    "make": "",
    "power": False,
    "settings": {"address": {"kind": "serial", "port": "/dev/bem/flow"}},
}


def test_a_meter_is_offered_to_a_station_and_makes_none_by_itself(
    supervisor: Client, viewer: Client, node: Node, stations: list[Station]
) -> None:
    device = add(node, **FLOW)
    places = f"/devices/{device.pk}/station/"
    shown = page(supervisor)
    assert "Make a station" not in shown
    assert f'href="{places}"' in shown
    assert "Measure at a station" not in page(viewer)
    choice = page(supervisor, places)
    assert f'href="/stations/{stations[0].pk}/edit/?meter={device.pk}"' in choice
    assert f'href="/stations/add/?device={device.pk}"' in choice
    assert choice.count('aria-current="page"') == 1, "it is among the stations"
    assert viewer.get(places).status_code == 403
    assert supervisor.get("/devices/9999/station/").status_code == 404


def test_of_a_device_whose_node_does_not_tell_a_station_can_be_made(
    supervisor: Client, node: Node
) -> None:
    add(node, power=None)
    assert "Make a station" in page(supervisor)


@pytest.mark.parametrize("facts", [{"present": False}, {"state": "used"}, {"state": "reserved"}])
def test_a_meter_that_is_not_free_is_offered_to_nobody(
    supervisor: Client, node: Node, facts: dict[str, Any]
) -> None:
    add(node, **FLOW | facts)
    assert "Measure at a station" not in page(supervisor)


def test_a_new_station_is_begun_with_a_found_meter(supervisor: Client, node: Node) -> None:
    form = page(supervisor, f"/stations/add/?device={add(node, **FLOW).pk}")
    assert 'name="meters.0.name" value="flow"' in form
    assert 'value="/dev/bem/flow"' in form
    assert form.count('<option value="flow" selected>') == 1, "as a meter, not as the power path"
    assert 'name="name" value=' not in form


def test_a_station_gets_a_found_meter_beside_those_that_it_has(
    supervisor: Client, node: Node, stations: list[Station]
) -> None:
    meter = {"name": "flow", "driver": "flow", "settings": {}}
    power = {"driver": "epc", "settings": {"bus": {"channel": "can1"}}}
    definition = {"id": "wide", "name": "wide", "power": power, "meters": [meter]}
    Station.objects.filter(pk=stations[0].pk).update(definition=definition)
    device = add(node, **FLOW)
    form = page(supervisor, f"/stations/{stations[0].pk}/edit/?meter={device.pk}")
    assert 'name="meters.0.name" value="flow"' in form
    assert 'name="meters.1.name" value="flow_2"' in form
    assert 'value="/dev/bem/flow"' in form
    assert 'value="can1"' in form


def test_a_meter_of_another_node_is_added_to_no_station(
    supervisor: Client, node: Node, stations: list[Station]
) -> None:
    other = Node.objects.create(
        id="node-2", session=node.session, online=True, last_seen=node.last_seen
    )
    device = add(other, **FLOW)
    for odd in (device.pk, "x", 9999):
        assert "meters.0.name" not in page(
            supervisor, f"/stations/{stations[0].pk}/edit/?meter={odd}"
        )


def test_a_device_that_nobody_knows_begins_an_empty_form(supervisor: Client, node: Node) -> None:
    for odd in ("9999", "x", "", "-1"):
        assert "New station" in page(supervisor, f"/stations/add/?device={odd}")


def test_the_number_of_questions_does_not_grow_with_devices(
    viewer: Client, node: Node, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(30):
        add(node, f"serial /dev/{number}", state="used", station_slug="wide")
    with django_assert_max_num_queries(10):
        page(viewer)

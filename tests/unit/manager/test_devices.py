"""Devices that nodes found: kept, followed as they come and go, and never the end of a manager."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bem.lab.devices import KEPT
from bem.lab.models import Device
from bem.messages import DeviceReport, NodeStatus, Topic, encode

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench

PLACE = "serial /dev/bem/flow-001"
FREE: dict[str, Any] = {
    "place": PLACE,
    "state": "free",
    "driver": "flow",
    "settings": {"address": {"kind": "serial", "port": "/dev/bem/flow-001"}},
    "model": "FLOWmeter",
    "serial": "001",
    "firmware": "2",
}
USED: dict[str, Any] = {"place": PLACE, "state": "used", "driver": "flow", "station": "left"}


def status(bench: "Bench", *devices: dict[str, Any]) -> NodeStatus:
    return NodeStatus(
        session=bench.session,
        sent_at=bench.now,
        version="1",
        hostname="node-a",
        devices=tuple(DeviceReport.model_validate(one) for one in devices),
    )


def tell(bench: "Bench", *devices: dict[str, Any]) -> None:
    bench.arrive(Topic.STATUS, status(bench, *devices))


def the_device() -> Device:
    return Device.objects.get()


def test_a_found_device_is_kept_with_all_that_is_known(bench: "Bench") -> None:
    tell(bench, FREE)
    device = the_device()
    assert (device.node_id, device.place, device.state) == ("node-a", PLACE, "free")
    assert (device.driver, device.settings) == ("flow", FREE["settings"])
    assert (device.model, device.serial, device.firmware) == ("FLOWmeter", "001", "2")
    assert device.present
    assert device.since == device.first_seen == device.last_seen == bench.now


@pytest.mark.parametrize("power", [True, False, None])
def test_whether_it_has_a_power_path_is_kept(bench: "Bench", power: bool | None) -> None:
    tell(bench, FREE | {"power": power})
    assert the_device().power is power
    tell(bench, FREE | {"power": True})
    assert the_device().power is True


def test_a_node_from_before_there_was_a_power_path_to_tell_is_heard(bench: "Bench") -> None:
    older = json.loads(encode(status(bench, FREE)))
    del older["devices"][0]["power"]
    bench.arrive(Topic.STATUS, json.dumps(older).encode())
    assert the_device().power is None


def test_a_status_without_devices_leaves_them_as_they_are(bench: "Bench") -> None:
    tell(bench, FREE)
    bench.report()
    assert the_device().present


def test_a_device_that_went_is_kept_as_gone_and_may_come_back(bench: "Bench") -> None:
    tell(bench, FREE)
    came = bench.now
    bench.pass_time(60)
    tell(bench, FREE)
    assert (the_device().since, the_device().last_seen) == (came, bench.now)
    seen = bench.now
    bench.pass_time(60)
    tell(bench)
    gone = the_device()
    assert (gone.present, gone.since, gone.last_seen) == (False, bench.now, seen)
    bench.pass_time(60)
    tell(bench, FREE)
    back = the_device()
    assert (back.present, back.since, back.first_seen) == (True, bench.now, came)


def test_a_device_in_use_is_still_who_it_was(bench: "Bench") -> None:
    tell(bench, FREE)
    bench.pass_time(60)
    tell(bench, USED)
    device = the_device()
    assert (device.state, device.station_slug, device.serial) == ("used", "left", "001")
    assert device.since == bench.now


def test_another_device_in_its_place_is_not_taken_for_it(bench: "Bench") -> None:
    tell(bench, FREE)
    tell(bench, USED | {"driver": "ea"})
    assert the_device().serial == ""


def test_places_that_differ_in_case_are_two(bench: "Bench") -> None:
    tell(bench, FREE, FREE | {"place": PLACE.upper()})
    assert Device.objects.count() == 2


def test_a_place_named_twice_is_one_device(bench: "Bench") -> None:
    tell(bench, FREE, USED)
    assert the_device().state == "used"


def test_what_went_long_ago_is_forgotten(bench: "Bench") -> None:
    tell(bench, FREE)
    bench.seconds += (KEPT + timedelta(minutes=1)).total_seconds()
    tell(bench)
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "broken"},
        {"place": ""},
        {"place": "x" * 201},
        {"answered": "x" * 81},
        {"settings": {"deep": "x" * 2048}},
        {"settings": [1]},
        {"station": "No Such"},
        {"odd": 1},
    ],
)
def test_a_malformed_report_changes_nothing(bench: "Bench", wrong: dict[str, Any]) -> None:
    tell(bench, FREE)
    payload = encode(status(bench, FREE)).decode()
    report = DeviceReport.model_validate(FREE).model_dump_json()
    broken = json.dumps({**json.loads(report), **wrong})
    bench.arrive(Topic.STATUS, payload.replace(report, broken).encode())
    assert the_device().state == "free"
    bench.arrive(Topic.STATUS, payload.replace(f"[{report}]", "7").encode())
    assert the_device().present

"""The pages where stations are made, changed and removed."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bem.lab.models import Command, DriverList, Station
from bem.lab.operations.definitions import fingerprint
from bem_drivers.registry import driver

ADD = "/stations/add/"
TYPED = {
    "node": "node-1",
    "driver": "epc",
    "slug": "epc-3",
    "name": "EPC 3",
    "period_ms": "100",
    "silence_s": "1",
    "time_scale": "1",
    "settings.bus.interface": "slcan",
    "settings.bus.channel": "/dev/bem/epc-3",
    "settings.device_id": "0x14",
    "note": "new",
}
DEFINITION = {
    "id": "wide",
    "name": "wide",
    "period_ms": 100,
    "silence_s": 1.0,
    "time_scale": 1.0,
    "power": {"driver": "epc", "settings": {"bus": {"channel": "can1"}, "device_id": 20}},
}


@pytest.fixture
def station(stations: list[Station]) -> Station:
    drivers = [
        {
            "name": name,
            "title": driver(name).title,
            "settings": driver(name).settings.model_json_schema(),
        }
        for name in ("epc", "flow", "kel103", "source-and-load", "virtual")
    ]
    DriverList.objects.create(node=stations[0].node, drivers=drivers)
    Station.objects.filter(pk=stations[0].pk).update(definition=DEFINITION)
    stations[0].refresh_from_db()
    return stations[0]


@pytest.fixture
def supervisor(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("supervisor")


def page(client: Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_station_is_made(supervisor: Client, station: Station) -> None:
    answer = supervisor.post(ADD, TYPED)
    command = Command.objects.get()
    assert answer.headers["Location"] == f"/stations/{command.station_id}/set-up/"
    assert command.arguments["definition"]["power"]["settings"] == {
        "bus": {"interface": "slcan", "channel": "/dev/bem/epc-3"},
        "device_id": 20,
    }
    followed = page(supervisor, answer.headers["Location"])
    assert 'hx-trigger="every 500ms"' in followed
    assert "To be sent" in followed
    assert "power.settings.bus.channel: /dev/bem/epc-3" in followed


def test_what_is_wrong_stands_beside_its_field(supervisor: Client, station: Station) -> None:
    typed = TYPED | {"slug": "No", "settings.device_id": "99", "settings.bus.bitrate": "fast"}
    shown = supervisor.post(ADD, typed).content.decode()
    assert "“fast” is no whole number" in shown
    shown = supervisor.post(ADD, typed | {"settings.bus.bitrate": ""}).content.decode()
    assert "99 is greater than the maximum of 63" in shown
    assert "use 1 to 63 lower-case letters" in shown
    assert 'value="/dev/bem/epc-3"' in shown
    assert not Command.objects.exists()


@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
def test_numbers_are_finite(value: str, supervisor: Client, station: Station) -> None:
    shown = supervisor.post(ADD, TYPED | {"settings.reply_timeout_s": value}).content.decode()
    assert "invalid-feedback" in shown
    assert not Command.objects.exists()


def test_the_driver_decides_what_is_asked(supervisor: Client, station: Station) -> None:
    assert "Choose a node and a driver" in page(supervisor, ADD)
    assert "settings.battery.capacity_ah" in page(supervisor, f"{ADD}?driver=virtual")
    part = reshaped(supervisor, {"node": "node-1", "driver": "epc", "name": "Kept"}, "show")
    assert "<html" not in part
    assert 'value="Kept"' in part
    assert "settings.bus.channel" in part


METERS = TYPED | {
    "meter_count": "2",
    "meters.0.name": "flow",
    "meters.0.driver": "flow",
    "meters.0.required": "on",
    "meters.0.stale_s": "10",
    "meters.0.channels": "flow_1: flow_in\n\n flow_2 \n",
    "meters.0.settings.address.kind": "tcp",
    "meters.0.settings.address.serial.stop_bits": "7",
    "meters.0.settings.address.tcp.host": "10.0.0.5",
    "meters.0.settings.address.tcp.port": "5025",
    "meters.1.name": "meter",
    "meters.1.driver": "virtual",
    "meters.1.stale_s": "2.5",
    "meters.1.channels": "",
}
DEFINED_METERS = [
    {
        "name": "flow",
        "driver": "flow",
        "settings": {"address": {"kind": "tcp", "host": "10.0.0.5", "port": 5025}},
        "channels": {"flow_1": "flow_in", "flow_2": "flow_2"},
        "required": True,
        "stale_s": 10.0,
    },
    {
        "name": "meter",
        "driver": "virtual",
        "settings": {},
        "channels": {},
        "required": False,
        "stale_s": 2.5,
    },
]


def reshaped(client: Client, typed: dict[str, str], how: str, address: str = ADD) -> str:
    answer = client.post(
        address,
        typed | {"reshape": how},
        headers={"HX-Request": "true", "HX-Target": "station-form"},
    )
    assert answer.status_code == 200
    assert not Command.objects.exists()
    return answer.content.decode()


def test_a_station_is_made_with_meters(supervisor: Client, station: Station) -> None:
    supervisor.post(ADD, METERS)
    found = Command.objects.get().arguments["definition"]["meters"]
    assert found == DEFINED_METERS


def test_an_edited_station_keeps_its_meters(supervisor: Client, station: Station) -> None:
    definition = DEFINITION | {"meters": DEFINED_METERS}
    Station.objects.update(definition=definition)
    address = f"/stations/{station.pk}/edit/"
    form = supervisor.get(address).context["form"]
    sent = {bound.html_name: bound.value() for bound in form}
    sent = {name: value for name, value in sent.items() if value not in (None, False, "")}
    assert sent["meters.0.channels"] == "flow_1: flow_in\nflow_2"
    assert supervisor.post(address, sent | {"name": "Other"}).status_code == 302
    command = Command.objects.get()
    assert command.arguments["definition"] == definition | {"name": "Other"}
    changed = page(supervisor, f"/stations/{station.pk}/set-up/")
    assert "name: wide → Other" in changed
    assert "<dt>meters.0.settings.address.host</dt>" in changed


def test_a_meter_is_added_and_nothing_typed_is_lost(supervisor: Client, station: Station) -> None:
    typed = METERS | {"meters.0.settings.address.tcp.port": "half ty", "seen": "abc"}
    shown = reshaped(supervisor, typed, "add")
    for kept in ("half ty", "10.0.0.5", "/dev/bem/epc-3", "0x14", "abc", "new", "2.5"):
        assert f'value="{kept}"' in shown
    assert "invalid-feedback" not in shown
    assert 'name="meter_count" value="3"' in shown
    assert 'name="meters.2.name"' in shown
    form = supervisor.post(ADD, typed | {"reshape": "add"}).context["form"]
    ticked = [bound.value() for bound in form if bound.name.endswith(".required")]
    assert ticked == [True, False, True]


def test_a_meter_is_taken_out_and_the_others_move_up(supervisor: Client, station: Station) -> None:
    shown = reshaped(supervisor, METERS, "remove-0")
    assert 'name="meter_count" value="1"' in shown
    assert 'name="meters.0.name" value="meter"' in shown
    assert "10.0.0.5" not in shown
    assert 'name="meter_count" value="2"' in reshaped(supervisor, METERS, "remove-7")
    assert 'name="meter_count" value="0"' in reshaped(
        supervisor, TYPED | {"meter_count": "-1"}, "remove-x"
    )


def test_only_the_chosen_kind_counts(supervisor: Client, station: Station) -> None:
    typed = METERS | {"meters.0.settings.address.kind": "serial"}
    shown = supervisor.post(ADD, typed).content.decode()
    # The port is missing now, and there is no choice of seven stop bits.
    assert 'id="id_meters.0.settings.address.serial.port_error"' in shown
    assert 'id="id_meters.0.settings.address.serial.stop_bits_error"' in shown
    assert 'id="id_meters.0.settings.address.tcp.port_error"' not in shown


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"meters.0.settings.address.tcp.port": "70000"}, "settings.address.tcp.port", "65535"),
        ({"meters.0.channels": "flow_1:"}, "channels", "line 1, “flow_1:”"),
        ({"meters.0.channels": "a: b\na: c"}, "channels", "channel “a” stands there twice"),
        ({"meters.0.channels": "a: B"}, "channels", "a: name channels by"),
        ({"meters.0.name": "Not so"}, "name", "beginning with a letter"),
        ({"meters.0.driver": "none"}, "driver", "Select a valid choice"),
        ({"meters.0.stale_s": ""}, "stale_s", "is required"),
    ],
)
def test_what_is_wrong_with_a_meter_stands_beside_its_field(
    wrong: dict[str, str], field: str, reason: str, supervisor: Client, station: Station
) -> None:
    shown = supervisor.post(ADD, METERS | wrong).content.decode()
    said = shown.partition(f'id="id_meters.0.{field}_error"')[2].partition("</div></div>")[0]
    assert reason in said
    assert not Command.objects.exists()


def test_drivers_within_a_driver(supervisor: Client, station: Station) -> None:
    typed = TYPED | {
        "driver": "source-and-load",
        "settings.source.driver": "kel103",
        "settings.source.settings": '{"address": {"kind": "tcp", "host": "h", "port": 1}}',
        "settings.load.driver": "kel103",
        "settings.load.settings": '{"address": {"kind": "serial"}}',
    }
    wrong = supervisor.post(ADD, typed | {"settings.load.driver": "none"}).content.decode()
    assert 'id="id_settings.load.driver_error"' in wrong
    shown = supervisor.post(ADD, typed).content.decode()
    assert 'id="id_settings.load.settings_error"><div>address.port: is needed</div>' in shown
    assert supervisor.post(ADD, typed | {"settings.load.settings": "{"}).status_code == 200
    port = '{"address": {"kind": "serial", "port": "/dev/bem/k"}}'
    assert supervisor.post(ADD, typed | {"settings.load.settings": port}).status_code == 302


def test_a_choice_of_numbers_stays_one(supervisor: Client, station: Station) -> None:
    typed = METERS | {
        "meters.0.settings.address.kind": "serial",
        "meters.0.settings.address.serial.port": "/dev/bem/flow",
        "meters.0.settings.address.serial.stop_bits": "2",
    }
    assert supervisor.post(ADD, typed).status_code == 302
    settings = Command.objects.get().arguments["definition"]["meters"][0]["settings"]
    assert settings["address"] == {"kind": "serial", "port": "/dev/bem/flow", "stop_bits": 2}


def test_meters_stand_beside_the_device(supervisor: Client, station: Station) -> None:
    Station.objects.update(definition=DEFINITION | {"meters": DEFINED_METERS})
    for address in (f"/stations/{station.pk}/set-up/", f"/stations/{station.pk}/", "/stations/"):
        assert "meters flow (flow), meter (virtual)" in page(supervisor, address)


def test_the_form_says_at_once_why_it_cannot_be_saved(supervisor: Client, station: Station) -> None:
    address = f"/stations/{station.pk}/edit/"
    assert "It cannot be saved now" not in page(supervisor, address)
    supervisor.post(f"/stations/{station.pk}/remove/")
    assert "It cannot be saved now: “wide" in page(supervisor, address)
    assert "It cannot be removed now: “wide" in page(supervisor, f"/stations/{station.pk}/remove/")


def test_a_station_is_changed_from_what_it_is(supervisor: Client, station: Station) -> None:
    address = f"/stations/{station.pk}/edit/"
    shown = page(supervisor, address)
    assert 'value="can1"' in shown
    seen = fingerprint(DEFINITION)
    assert f'value="{seen}"' in shown
    answer = supervisor.post(address, TYPED | {"slug": "other", "seen": seen})
    assert answer.status_code == 302
    command = Command.objects.get()
    assert command.station == station
    assert command.arguments["before"] == DEFINITION
    assert command.arguments["definition"]["id"] == "wide"
    Command.objects.all().delete()
    stale = supervisor.post(address, TYPED | {"seen": fingerprint(None)}).content.decode()
    assert "was changed in the meantime" in stale
    assert not Command.objects.exists()


def test_a_refusal_shows_its_reason_and_can_be_corrected(
    supervisor: Client, station: Station
) -> None:
    supervisor.post(ADD, TYPED)
    command = Command.objects.get()
    Command.objects.update(status="refused", reason="no <b>such</b> port", sent_at=timezone.now())
    shown = page(supervisor, f"/stations/{command.station_id}/set-up/")
    assert "no &lt;b&gt;such&lt;/b&gt; port" in shown
    assert 'hx-trigger="every 500ms"' not in shown
    again = f"{ADD}?station={command.station_id}"
    assert again in shown
    assert 'value="/dev/bem/epc-3"' in page(supervisor, again)
    assert supervisor.post(ADD, TYPED).status_code == 302


def test_it_is_live_once_the_node_reports_it_so(supervisor: Client, station: Station) -> None:
    supervisor.post(ADD, TYPED)
    command = Command.objects.get()
    address = f"/stations/{command.station_id}/set-up/"
    Command.objects.update(status="done")
    assert "<span>Starting</span>" in page(supervisor, address)
    Station.objects.filter(pk=command.station_id).update(
        present=True, state="idle", definition=command.arguments["definition"]
    )
    answer = supervisor.get(address, headers={"HX-Request": "true"})
    assert "<span>Live</span>" in answer.content.decode()
    assert answer.headers["HX-Refresh"] == "true"


def test_a_station_is_removed_and_its_records_stay(supervisor: Client, station: Station) -> None:
    address = f"/stations/{station.pk}/remove/"
    assert "deletes its definition" in page(supervisor, address)
    assert supervisor.post(address, {"note": "sold"}).status_code == 302
    command = Command.objects.get()
    assert (command.action, command.note) == ("remove", "sold")
    Command.objects.update(status="done")
    Station.objects.filter(pk=station.pk).update(present=False, state="down")
    assert "<span>Gone</span>" in page(supervisor, f"/stations/{station.pk}/set-up/")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_look_only(role: str, sign_in: Callable[[str], Client], station: Station) -> None:
    client = sign_in(role)
    writing = [ADD, f"/stations/{station.pk}/edit/", f"/stations/{station.pk}/remove/"]
    for address in writing:
        assert client.get(address).status_code == 403
        assert client.post(address, TYPED).status_code == 403
    for address in ("/stations/", f"/stations/{station.pk}/set-up/", reverse("watch:monitor")):
        shown = page(client, address)
        assert not any(one in shown for one in writing)
    assert not Command.objects.exists()


def test_the_list_shows_absent_stations_that_have_records(
    supervisor: Client, station: Station
) -> None:
    assert "Absent" not in page(supervisor, "/stations/")
    supervisor.post(f"/stations/{station.pk}/remove/")
    Station.objects.filter(pk=station.pk).update(present=False)
    assert "Absent" in page(supervisor, "/stations/")


def test_a_node_that_has_told_no_drivers_yet(supervisor: Client, station: Station) -> None:
    DriverList.objects.all().delete()
    assert "Choose a node and a driver" in page(supervisor, f"{ADD}?node=node-1")
    shown = supervisor.post(ADD, TYPED).content.decode()
    assert "is not one of the available choices" in shown


@pytest.fixture
def told(station: Station) -> Station:
    """A station whose node tells which of its drivers have a power path."""
    kept = DriverList.objects.get(node=station.node)
    kept.drivers = [one | {"power": driver(one["name"]).has_power_path} for one in kept.drivers]
    kept.save()
    return station


def test_a_meter_is_chosen_of_drivers_that_only_measure(supervisor: Client, told: Station) -> None:
    part = reshaped(supervisor, {"node": "node-1"}, "add")
    power, meter = part.split('name="meters.0.driver"')
    assert 'value="epc"' in power
    assert 'value="flow"' not in power
    assert 'value="flow"' in meter
    assert 'value="epc"' not in meter


def test_a_meter_with_a_power_path_of_an_earlier_release_says_why_it_is_none(
    supervisor: Client, told: Station
) -> None:
    shown = supervisor.post(ADD, METERS).content.decode()
    assert "drives current, which nobody would switch off at a meter" in shown
    assert '<option value="virtual" selected>' in shown
    assert not Command.objects.exists()

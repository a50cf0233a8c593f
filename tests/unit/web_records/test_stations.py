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
        for name in ("epc", "virtual")
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
    assert "settings.battery.capacity_ah" in page(supervisor, f"{ADD}?driver=virtual&name=N")
    part = page(
        supervisor,
        f"{ADD}?node=node-1&driver=epc&name=Kept",
        **{"HX-Request": "true", "HX-Target": "station-form"},
    )
    assert "<html" not in part
    assert 'value="Kept"' in part
    assert "settings.bus.channel" in part


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

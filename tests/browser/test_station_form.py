"""A station is put together from devices in a real browser."""

import uuid
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bem.lab.models import Command, DriverList, Node
from bem_drivers.registry import driver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def node() -> Node:
    """A node that is there and has drivers with and without kinds of address."""
    made = Node.objects.create(
        id="node-1",
        hostname="node-1",
        version="1",
        session=uuid.uuid4(),
        online=True,
        last_seen=timezone.now(),
    )
    drivers = [
        {
            "name": name,
            "title": driver(name).title,
            "settings": driver(name).settings.model_json_schema(),
        }
        for name in ("epc", "flow", "source-and-load", "virtual")
    ]
    DriverList.objects.create(node=made, drivers=drivers)
    return made


@pytest.mark.parametrize(("width", "color_scheme"), [(1440, "light"), (390, "dark")])
def test_a_station_with_meters(
    width: int, color_scheme: str, node: Node, open_page: Callable[..., Page]
) -> None:
    page = open_page("supervisor", width=width, height=900, color_scheme=color_scheme)
    page.goto("/stations/add/")
    page.get_by_label("Name", exact=True).fill("Bench 1")
    page.get_by_label("Id", exact=True).fill("bench-1")
    page.locator("#id_driver").select_option("source-and-load")
    settings = page.locator('[name="settings.source.settings"]')
    settings.fill('{"address": {"kind": "tcp"}}')
    page.locator("#id_driver").select_option("virtual")
    expect(page.locator('[name="settings.speed"]')).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Bench 1")
    page.get_by_role("button", name="Add a meter").click()
    name = page.locator('[name="meters.0.name"]')
    expect(name).to_be_focused()
    name.fill("flow")
    page.locator('[name="meters.0.driver"]').select_option("flow")
    port = page.locator('[name="meters.0.settings.address.serial.port"]')
    port.fill("/dev/bem/flow")
    host = page.locator('[name="meters.0.settings.address.tcp.host"]')
    expect(host).to_be_hidden()
    page.locator('[name="meters.0.settings.address.kind"]').select_option("tcp")
    expect(host).to_be_visible()
    expect(port).to_be_hidden()
    page.get_by_role("button", name="Add a meter").click()
    page.locator('[name="meters.1.name"]').fill("second")
    page.locator('[name="meters.1.driver"]').select_option("virtual")
    expect(page.locator('[name="meters.1.settings.speed"]')).to_be_visible()
    page.locator('[name="meters.1.channels"]').fill("voltage: second_voltage")
    page.get_by_role("button", name="Make station").click()
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    expect(host).to_have_class("form-control is-invalid")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    page.get_by_role("button", name="Remove meter 1").click()
    expect(page.locator('[name="meters.0.name"]')).to_have_value("second")
    page.locator("#id_name").press("Enter")
    expect(page.get_by_text("To be sent")).to_be_visible()
    (meter,) = Command.objects.get().arguments["definition"]["meters"]
    assert (meter["name"], meter["required"]) == ("second", True)
    assert meter["channels"] == {"voltage": "second_voltage"}

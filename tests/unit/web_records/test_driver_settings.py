"""A form is made of any driver's schema, and what was typed comes back as the driver takes it."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from bem.web.records.driver_settings import field_of, flat, nested, read_schema
from bem_drivers.registry import driver, driver_names

SERIAL = {"address": {"kind": "serial", "port": "/dev/bem/one"}}
BUS: dict[str, Any] = {"bus": {}}
NEEDED: dict[str, dict[str, Any]] = {
    "bk2831": SERIAL,
    "bms": BUS,
    "ea": SERIAL,
    "epc": BUS,
    "flow": SERIAL,
    "kel103": SERIAL,
    "scpi-load": SERIAL | {"instrument": "scpi-99-load"},
    "scpi-meter": SERIAL | {"instrument": "scpi-99-meter"},
    "scpi-source": SERIAL | {"instrument": "scpi-99-source"},
    "source-and-load": {
        "source": {"driver": "ea", "settings": SERIAL},
        "load": {"driver": "kel103", "settings": {"address": {"kind": "serial", "port": "/dev/b"}}},
    },
}
"""What a driver cannot do without."""


class Inner(BaseModel):
    port: str = Field(description="where it is")
    fast: bool = True


class Odd(BaseModel):
    inner: Inner
    spare: Inner | None = None
    levels: list[int] = []
    wait_ms: int = Field(default=3, ge=0, description="pause")
    gain: float = Field(gt=0, lt=2, title="Gain of it")


def test_kinds_units_and_ranges() -> None:
    groups = read_schema(Odd.model_json_schema())
    assert [(group.title, group.required) for group in groups] == [
        ("Device", True),
        ("Inner", True),
        ("Spare", False),
    ]
    found = {one.name: one for group in groups for one in group.settings}
    assert found["settings.inner.port"].required
    assert found["settings.inner.port"].help == "Where it is"
    assert found["settings.inner.fast"].kind == "switch"
    assert found["settings.levels"].kind == "json"
    wait = found["settings.wait_ms"]
    assert (wait.kind, wait.unit, wait.label, wait.default_text) == ("integer", "ms", "Wait", "3")
    assert wait.help == "Pause; at least 0"
    gain = found["settings.gain"]
    assert (gain.label, gain.help, gain.required) == ("Gain of it", "Above 0, below 2", True)


def test_an_epc() -> None:
    groups = read_schema(driver("epc").settings.model_json_schema())
    found = {one.name: one for group in groups for one in group.settings}
    assert found["settings.bus.interface"].choices == ("slcan", "socketcan", "virtual")
    assert found["settings.bus.bitrate"].unit == "bit/s"
    assert found["settings.serial_number"].help == "0 to 255"
    # A bus that must be there is there, even when each of its settings is the default.
    assert nested(groups, {"settings.device_id": 20}) == {"bus": {}, "device_id": 20}


def test_each_kind_of_address_has_fields_of_its_own() -> None:
    groups = read_schema(driver("flow").settings.model_json_schema(), "meters.0.settings")
    assert [group.title for group in groups] == ["Device", "Address", "Serial", "TCP"]
    found = {one.name: one for group in groups for one in group.settings}
    kind = found["meters.0.settings.address.kind"]
    assert (kind.kind, kind.choices, kind.required) == ("choice", ("serial", "tcp"), True)
    assert found["meters.0.settings.address.serial.port"].kind == "text"
    assert found["meters.0.settings.address.tcp.port"].kind == "integer"
    # Its kind is chosen already, and eight data bits are the only ones there are.
    assert not {name for name in found if name.endswith((".tcp.kind", "data_bits"))}
    typed = {
        "meters.0.settings.address.kind": "tcp",
        "meters.0.settings.address.serial.port": "/dev/bem/left-from-before",
        "meters.0.settings.address.tcp.host": "10.0.0.5",
        "meters.0.settings.address.tcp.port": 5025,
    }
    settings = {"address": {"kind": "tcp", "host": "10.0.0.5", "port": 5025}}
    assert nested(groups, typed) == settings
    assert flat(groups, settings) == {
        name: value for name, value in typed.items() if "serial" not in name
    }
    assert field_of(groups, typed, ("address", "port")) == (
        "meters.0.settings.address.tcp.port",
        (),
    )
    assert field_of(groups, typed, ("address",)) == ("meters.0.settings.address.kind", ())


def test_what_is_wrong_inside_of_json_is_found_at_its_field() -> None:
    groups = read_schema(driver("source-and-load").settings.model_json_schema())
    path = ("source", "settings", "address", "port")
    assert field_of(groups, {}, path) == ("settings.source.settings", ("address", "port"))
    assert field_of(groups, {}, ("colour",)) is None


def test_what_may_be_left_out_demands_nothing() -> None:
    groups = read_schema(Odd.model_json_schema())
    found = {one.name: one for group in groups for one in group.settings}
    assert not found["settings.spare.port"].required


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_takes_what_its_form_gives_back(name: str) -> None:
    kind = driver(name).settings
    groups = read_schema(kind.model_json_schema())
    needed = NEEDED.get(name, {})
    full = kind.model_validate(needed).model_dump(mode="json", exclude_none=True)
    kinds = {one.name: one.kind for group in groups for one in group.settings}
    typed = {
        name: json.loads(str(value)) if kinds[name] in ("switch", "json") else value
        for name, value in flat(groups, full).items()
    }
    assert (
        kind.model_validate(nested(groups, typed)).model_dump(mode="json", exclude_none=True)
        == full
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"a": None}, {"a": 3, "b": [1]}, {"a": {"x": {"y": 1}}}, {"a": "", "b": {"c": None}}],
)
def test_settings_of_any_shape_can_be_shown(settings: dict[str, Any]) -> None:
    schema = {
        "properties": {
            "a": {"type": "object", "properties": {"x": {"type": "number"}}},
            # Leads nowhere.
            "b": {"$ref": "#/$defs/B"},
        },
        "$defs": {"B": {"$ref": "#/$defs/B"}},
    }
    groups = read_schema(schema)
    assert len([one for group in groups for one in group.settings]) == 2
    flat(groups, settings)

"""The part of a station's form that is about its meters, each with a number: ``meters.0.name``."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.http import QueryDict

from bem.lab.operations.definitions import MeterInput
from bem.lab.operations.driver_settings import DEVICE, SETTINGS, Drivers
from bem.web.records.driver_settings import Group, flat, nested, read_schema
from bem.web.records.forms import number_in
from bem.web.records.setting_fields import PLAIN_TEXT, RESHAPES, NumberField, setting_field

COUNT = "meter_count"
MOST = 32
"""Most meters of one station that a form takes; a node tells of no definition with as many."""
_LONGEST_CHANNELS = 8000


class ChannelsField(forms.CharField):
    """Channels, a line each: what the device calls it, and what the station shall call it."""

    def clean(self, value: object) -> object:
        """Read what was typed.

        Raises:
            forms.ValidationError: a line is no name, nor two; or a channel stands there twice.
        """
        found: dict[str, str] = {}
        for number, line in enumerate(super().clean(value).splitlines(), start=1):
            name, colon, called = (part.strip() for part in line.partition(":"))
            if not line.strip():
                continue
            words = [name, called] if colon else [name]
            if any(len(one.split()) != 1 for one in words):
                raise forms.ValidationError(
                    f"line {number}, “{line.strip():.60}”: write the device's name of one channel "
                    "and, after a colon, what the station calls it, such as voltage: meter_voltage"
                )
            if name in found:
                raise forms.ValidationError(
                    f"line {number}: channel “{name:.60}” stands there twice"
                )
            found[name] = called or name
        return found


def prefix_of(place: int) -> str:
    """What the names of the fields of one meter begin with."""
    return f"meters.{place}."


def groups_of(drivers: Drivers, driver: object, prefix: str = "") -> list[Group]:
    """Get the groups of settings of a driver; none of one that the node does not have."""
    if not isinstance(driver, str) or driver not in drivers:
        return []
    groups = read_schema(drivers[driver][SETTINGS], f"{prefix}{SETTINGS}")
    for group in groups:
        if {one.path[-1] for one in group.settings} == DEVICE:
            # A driver made of others names them: those of the node are there to choose.
            group.settings[:] = [
                replace(one, kind="choice", choices=tuple(drivers))
                if one.path[-1] == "driver"
                else one
                for one in group.settings
            ]
    return groups


def driver_field(drivers: Drivers, chosen: object, *, is_power: bool) -> forms.ChoiceField:
    """Make the choice of a driver for the power path or a meter.

    Those that are known not to fit are left out, but for the one that is ``chosen``, as an earlier
    release took it: why it does not fit is told beside it.
    """
    choices = [
        (name, f"{one['title']} ({name})")
        for name, one in drivers.items()
        if one.get("power") in (None, is_power) or name == chosen
    ]
    return forms.ChoiceField(
        label="Driver",
        choices=[("", "Choose a driver"), *choices],
        widget=forms.Select(attrs=RESHAPES),
    )


def meter_fields(
    drivers: Drivers, place: int, groups: list[Group], chosen: object
) -> dict[str, forms.Field]:
    """Make the fields of one meter with its driver as it is chosen."""
    fields: dict[str, forms.Field] = {
        "name": forms.CharField(
            label="Name",
            max_length=31,
            help_text="Its voltage becomes the channel NAME_voltage",
            widget=forms.TextInput(attrs={"placeholder": "meter", **PLAIN_TEXT}),
        ),
        "driver": driver_field(drivers, chosen, is_power=False),
        "required": forms.BooleanField(
            label="Needed",
            required=False,
            initial=True,
            help_text="An experiment ends when it is lost. Otherwise its channels are empty then",
            widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
        ),
        "stale_s": NumberField(
            label="Silent for at most",
            initial=10.0,
            min_value=0.5,
            max_value=600,
            help_text="Longer without a value is as good as lost",
        ),
        "channels": ChannelsField(
            label="Channels",
            required=False,
            max_length=_LONGEST_CHANNELS,
            help_text="A line each: the device's name, and after a colon the station's if it "
            "shall be another. Empty: all of them",
            widget=forms.Textarea(
                attrs={
                    "rows": 3,
                    "class": "font-monospace",
                    "placeholder": "voltage: meter_voltage",
                    **PLAIN_TEXT,
                }
            ),
        ),
    }
    prefix = prefix_of(place)
    made = {f"{prefix}{name}": field for name, field in fields.items()}
    return made | {one.name: setting_field(one) for group in groups for one in group.settings}


def shown_meter(drivers: Drivers, place: int, meter: Mapping[str, Any]) -> dict[str, object]:
    """Take a meter's definition apart into what its fields show."""
    prefix = prefix_of(place)
    channels = meter.get("channels") or {}
    lines = (name if name == called else f"{name}: {called}" for name, called in channels.items())
    driver = meter.get("driver", "")
    known = {name: meter[name] for name in ("name", "required", "stale_s") if name in meter}
    own = {**known, "driver": driver, "channels": "\n".join(lines)}
    groups = groups_of(drivers, driver, prefix)
    settings = flat(groups, meter.get(SETTINGS) or {})
    return {f"{prefix}{name}": value for name, value in own.items()} | settings


def meter_input(place: int, groups: list[Group], values: Mapping[str, Any]) -> MeterInput:
    """Put together what was typed of one meter."""
    prefix = prefix_of(place)
    own = ("name", "driver", "channels", "required", "stale_s")
    return MeterInput(
        settings=nested(groups, values), **{name: values[f"{prefix}{name}"] for name in own}
    )


def count_in(values: Mapping[str, object]) -> int:
    """How many meters a form has that was sent, or is to be shown; a sane number in any case."""
    said = str(values.get(COUNT, ""))
    is_number = said.isdecimal() and said.isascii() and len(said) < len(str(MOST)) + 1
    return min(int(said), MOST) if is_number else 0


def typed_in(data: QueryDict) -> dict[str, object]:
    """Get what was typed, to be shown again as it is; a box that was not ticked is not sent."""
    boxes = [f"{prefix_of(place)}required" for place in range(count_in(data))]
    return {**data.dict(), **{name: name in data for name in boxes}}


def with_one_more(typed: Mapping[str, object]) -> dict[str, object]:
    """Add an empty meter at the end of what was typed."""
    return {**typed, COUNT: min(count_in(typed) + 1, MOST)}


def without(typed: Mapping[str, object], place: int) -> dict[str, object]:
    """Take one meter out of what was typed; those after it move up."""
    count = count_in(typed)
    if not 0 <= place < count:
        return dict(typed)

    def moved() -> Iterator[tuple[str, object]]:
        for name, value in typed.items():
            number, _, own = name.removeprefix("meters.").partition(".")
            at = number_in(number) if own and name.startswith("meters.") else None
            if at is None or at < place:
                yield name, value
            elif at > place:
                yield f"{prefix_of(at - 1)}{own}", value

    return {**dict(moved()), COUNT: count - 1}

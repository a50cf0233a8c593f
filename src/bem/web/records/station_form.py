"""The form of a station, whose device fields come from what its node told of the driver."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django import forms
from django.forms.forms import DeclarativeFieldsMetaclass
from django.http import QueryDict

from bem.lab.models import Node
from bem.lab.operations.definitions import StationInput
from bem.lab.operations.errors import OperationRefused
from bem.web.records.driver_settings import Group, Setting, flat, nested, read_schema
from bem.web.records.forms import RecordForm

Drivers = Mapping[str, Mapping[str, Any]]
_LONGEST = 1000
_LARGEST = 2**63


class NumberField(forms.FloatField):
    """A finite number; its range is the schema's business."""

    def clean(self, value: object) -> object:
        """Read what was typed.

        Raises:
            forms.ValidationError: it is no finite number.
        """
        number: float | None = super().clean(value)
        if number is not None and not math.isfinite(number):
            raise forms.ValidationError("give a plain number")
        return number


class WholeNumberField(forms.CharField):
    """A whole number, decimal or with a prefix as in 0x13."""

    def clean(self, value: object) -> object:
        """Read what was typed.

        Raises:
            forms.ValidationError: it is no whole number.
        """
        text = super().clean(value)
        if not text:
            return None
        try:
            number = int(text, 0)
        except ValueError:
            number = _LARGEST
        if abs(number) >= _LARGEST:
            raise forms.ValidationError(f"“{text:.40}” is no whole number, such as 19 or 0x13")
        return number


class JsonField(forms.CharField):
    """What no other field can take."""

    def clean(self, value: object) -> object:
        """Read what was typed.

        Raises:
            forms.ValidationError: it is no JSON.
        """
        text = super().clean(value)
        if not text:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"this is no JSON: {error}") from error


class SwitchField(forms.ChoiceField):
    """Yes, no, or as the driver thinks best."""

    def clean(self, value: object) -> object:
        """Read what was chosen."""
        return {"true": True, "false": False}.get(super().clean(value))


class ChoiceField(forms.ChoiceField):
    """One of a list; an empty choice is none."""

    def clean(self, value: object) -> object:
        """Read what was chosen."""
        return super().clean(value) or None


class TextField(forms.CharField):
    """A text; an empty one is none."""

    def clean(self, value: object) -> object:
        """Read what was typed."""
        return super().clean(value) or None


def _field(setting: Setting) -> forms.Field:
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.help,
        "required": setting.required,
    }
    hint = setting.default_text
    text = forms.TextInput(
        attrs={"placeholder": hint, "autocomplete": "off", "spellcheck": "false"}
    )
    match setting.kind:
        case "number":
            return NumberField(
                widget=forms.NumberInput(attrs={"placeholder": hint, "autocomplete": "off"}),
                **common,
            )
        case "integer":
            return WholeNumberField(max_length=_LONGEST, widget=text, **common)
        case "choice":
            choices = [(str(one), str(one)) for one in setting.choices]
            return ChoiceField(choices=[("", _nothing_said(hint)), *choices], **common)
        case "switch":
            hint = {"true": "yes", "false": "no"}.get(hint, "")
            return SwitchField(
                choices=[("", _nothing_said(hint)), ("true", "Yes"), ("false", "No")], **common
            )
        case "json":
            return JsonField(max_length=_LONGEST, widget=text, **common)
        case _:
            return TextField(max_length=_LONGEST, widget=text, **common)


def _nothing_said(default: str) -> str:
    return f"Default: {default}" if default else "Choose"


class StationForm(RecordForm):
    """What every station has; :func:`station_form` adds the settings of one's device."""

    units = {"period_ms": "ms", "silence_s": "s"}

    definition_names: ClassVar[Sequence[str]] = ("name", "period_ms", "silence_s", "time_scale")

    node = forms.ModelChoiceField(queryset=Node.objects.all(), empty_label="Choose a node")
    slug = forms.CharField(
        label="Id",
        max_length=63,
        help_text="Lower-case letters, digits and hyphens; stays for ever",
        widget=forms.TextInput(
            attrs={"placeholder": "epc-3", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    name = forms.CharField(
        label="Name",
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "EPC 3, left bench", "autocomplete": "off"}),
    )
    period_ms = forms.IntegerField(
        label="Period",
        initial=100,
        min_value=10,
        max_value=60_000,
        help_text="How often it measures and decides",
    )
    silence_s = NumberField(
        label="Silence",
        initial=1.0,
        min_value=0.1,
        max_value=60,
        help_text="The device switches off by itself after that long without a sign of life",
    )
    time_scale = NumberField(
        label="Time-lapse",
        initial=1.0,
        min_value=1,
        max_value=1_000_000,
        help_text="Above 1 only with a simulated battery of the same speed",
    )
    note = forms.CharField(
        label="Reason",
        required=False,
        max_length=500,
        widget=forms.TextInput(
            attrs={"placeholder": "Kept with the change", "autocomplete": "off"}
        ),
    )
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    groups: ClassVar[Sequence[Group]] = ()
    chosen_driver: ClassVar[str] = ""
    driver = forms.ChoiceField(label="Driver")

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        fixed: Sequence[str] = (),
    ) -> None:
        shown = flat(self.groups, settings or {}) | {"driver": self.chosen_driver}
        super().__init__(data, initial={**shown, **(initial or {})})
        for name in fixed:
            self.fields[name].disabled = True

    @property
    def device(self) -> list[dict[str, Any]]:
        """The groups of device settings with their fields, for the template."""
        return [
            {"title": group.title, "help": group.help, "fields": [self[one.name] for one in shown]}
            for group in self.groups
            if (shown := group.settings)
        ]

    def to_input(self) -> StationInput:
        """What was typed, for the operation. Only after ``is_valid()``."""
        said = {name: self.cleaned_data[name] for name in self.definition_names}
        return StationInput(
            driver=self.cleaned_data["driver"],
            settings=nested(self.groups, self.cleaned_data),
            **said,
        )

    def take_refusal(self, refused: OperationRefused) -> None:
        """Show the reasons; one that has no field of its own is named by its path."""
        for name, reasons in refused.problems.items():
            for reason in reasons:
                if name in self.fields:
                    self.add_error(name, reason)
                else:
                    self.add_error(None, f"{name}: {reason}" if name != "__all__" else reason)


def station_form(drivers: Drivers, driver: str) -> type[StationForm]:
    """Make the form for one driver of those that a node has; for none without its settings."""
    groups = read_schema(drivers[driver]["settings"]) if driver in drivers else []
    settings = [one for group in groups for one in group.settings]
    choices = [(name, f"{one['title']} ({name})") for name, one in drivers.items()]
    content: dict[str, Any] = {
        "__doc__": f"A station with the driver {driver!r}.",
        "groups": groups,
        "chosen_driver": driver,
        "driver": forms.ChoiceField(label="Driver", choices=[("", "Choose a driver"), *choices]),
        "units": {**StationForm.units, **{one.name: one.unit for one in settings if one.unit}},
        **{one.name: _field(one) for one in settings},
    }
    made = DeclarativeFieldsMetaclass("StationForm", (StationForm,), content)
    return cast(type[StationForm], made)

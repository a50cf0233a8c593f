"""The fields of a form for a driver's settings: what was typed becomes what the driver takes."""

import json
import math
from collections.abc import Mapping
from typing import Any

from django import forms

from bem.web.records.driver_settings import Setting, kind_label

_LONGEST = 1000
_LONGEST_JSON = 20_000
_LARGEST = 2**63
PLAIN_TEXT = {"autocomplete": "off", "spellcheck": "false"}
RESHAPES = {"data-reshapes": ""}
"""Marks the choices on which it depends what else the form asks."""


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
            return json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"this is no JSON: {error}") from error


class SwitchField(forms.ChoiceField):
    """Yes, no, or as the driver thinks best."""

    def clean(self, value: object) -> object:
        """Read what was chosen."""
        return {"true": True, "false": False}.get(super().clean(value))


class ChoiceField(forms.ChoiceField):
    """One of a list, as the list has it: a number stays one. An empty choice is none."""

    def __init__(
        self, titles: Mapping[object, str], nothing: str | None, common: Mapping[str, Any]
    ) -> None:
        self._values = {str(one): one for one in titles}
        shown = [(str(one), title) for one, title in titles.items()]
        super().__init__(choices=shown if nothing is None else [("", nothing), *shown], **common)

    def clean(self, value: object) -> object:
        """Read what was chosen."""
        return self._values.get(super().clean(value))


class TextField(forms.CharField):
    """A text; an empty one is none."""

    def clean(self, value: object) -> object:
        """Read what was typed."""
        return super().clean(value) or None


def setting_field(setting: Setting) -> forms.Field:
    """Make the field for a setting. What is left empty is the driver's own default, shown in it."""
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.help,
        "required": setting.required,
    }
    hint = setting.default_text
    text = forms.TextInput(attrs={"placeholder": hint, **PLAIN_TEXT})
    if setting.kind == "choice":
        return _choice_field(setting, common)
    match setting.kind:
        case "number":
            return NumberField(
                widget=forms.NumberInput(attrs={"placeholder": hint, "autocomplete": "off"}),
                **common,
            )
        case "integer":
            return WholeNumberField(max_length=_LONGEST, widget=text, **common)
        case "switch":
            return SwitchField(
                choices=[("", _nothing_said(setting)), ("true", "Yes"), ("false", "No")], **common
            )
        case "json":
            large = forms.Textarea(
                attrs={"placeholder": hint, "rows": 3, "class": "font-monospace", **PLAIN_TEXT}
            )
            return JsonField(max_length=_LONGEST_JSON, widget=large, **common)
    return TextField(max_length=_LONGEST, widget=text, **common)


def _choice_field(setting: Setting, common: Mapping[str, Any]) -> forms.Field:
    if not setting.decides:
        named = {one: str(one) for one in setting.choices}
        return ChoiceField(named, _nothing_said(setting), common)
    titles = {one: kind_label(str(one)) for one in setting.choices}
    # What must be chosen begins with the first kind, so that its settings can be shown below.
    nothing = None if setting.required else _nothing_said(setting)
    first = str(setting.choices[0]) if setting.required else ""
    return ChoiceField(
        titles, nothing, {**common, "initial": first, "widget": forms.Select(attrs=RESHAPES)}
    )


def _nothing_said(setting: Setting) -> str:
    default = setting.default_text
    if setting.kind == "switch":
        default = {"true": "yes", "false": "no"}.get(default, "")
    if default:
        return f"Default: {default}"
    return "Choose" if setting.required else "Not stated"


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")

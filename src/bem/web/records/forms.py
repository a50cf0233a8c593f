"""The forms of the records. They read what was typed; the operations judge it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict

from bem.lab.models import (
    Battery,
    Chemistry,
    LeadAcidChemistry,
    RedoxStack,
)
from bem.lab.operations.batteries import (
    BatteryInput,
    Details,
    LeadAcidDetails,
    LithiumDetails,
    RedoxStackDetails,
    described,
)
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.profiles import ProfileInput

Row = TypeVar("Row", bound=Model)


class RecordForm(forms.Form):
    """What all forms share: the look of inputs, units beside them, refusals beside their fields."""

    units: ClassVar[Mapping[str, str]] = {}
    """Field to unit; shown behind the input."""

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.CheckboxInput):
                continue
            kind = "form-select" if isinstance(widget, forms.Select) else "form-control"
            widget.attrs["class"] = f"{kind} {widget.attrs.get('class', '')}".strip()
            if isinstance(field, forms.FloatField):
                widget.attrs |= {"step": "any", "inputmode": "decimal"}

    def take_refusal(self, refused: OperationRefused) -> None:
        """Show the reasons of a refused operation beside their fields."""
        for name, reasons in refused.problems.items():
            field = name if name in self.fields else None
            for reason in reasons:
                shown = reason if field or name not in self.labels else f"{name}: {reason}"
                self.add_error(field, shown)

    @property
    def labels(self) -> frozenset[str]:
        """Names of problems that say nothing without their name."""
        return frozenset({"technology"})


def _text(label: str, *, required: bool = False, placeholder: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": placeholder, "autocomplete": "off"}),
    )


def _description() -> forms.CharField:
    return forms.CharField(
        label="Description",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class BatteryForm(RecordForm):
    """What every battery has; each technology adds its own."""

    technology: ClassVar[Battery.Technology]
    detail_names: ClassVar[tuple[str, ...]]
    identity_names: ClassVar[tuple[str, ...]] = (
        "name",
        "serial_number",
        "manufacturer",
        "model",
        "fabricated_on",
    )
    cell_names: ClassVar[tuple[str, ...]] = ("cells", "cell_voltage_min", "cell_voltage_max")
    limit_names: ClassVar[tuple[str, ...]] = (
        "voltage_min",
        "voltage_max",
        "current_min",
        "current_max",
    )
    units = {
        "cell_voltage_min": "V",
        "cell_voltage_max": "V",
        "voltage_min": "V",
        "voltage_max": "V",
        "current_min": "A",
        "current_max": "A",
        "capacity": "Ah",
        "electrode_area": "cm²",
    }

    name = _text("Name", required=True, placeholder="Cell 18650 no. 7")
    serial_number = _text("Serial number")
    manufacturer = _text("Manufacturer")
    model = _text("Model")
    fabricated_on = forms.DateField(
        label="Fabricated on", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    description = _description()
    cells = forms.IntegerField(label="Cells in series", min_value=1, max_value=10_000, initial=1)
    cell_voltage_min = forms.FloatField(label="Lowest cell voltage", required=False)
    cell_voltage_max = forms.FloatField(label="Highest cell voltage", required=False)
    voltage_min = forms.FloatField(label="Lowest voltage")
    voltage_max = forms.FloatField(label="Highest voltage")
    current_min = forms.FloatField(
        label="Strongest discharge", help_text="Negative: discharging counts below zero"
    )
    current_max = forms.FloatField(label="Strongest charge", help_text="Positive")

    def details(self) -> Details:
        """What only this technology has; each form of a technology says it."""
        return _DETAILS[self.technology](
            **{name: self.cleaned_data[name] for name in self.detail_names}
        )

    def to_input(self) -> BatteryInput:
        """What was typed, for the operation. Only after ``is_valid()``."""
        own = (*self.identity_names, "description", *self.cell_names, *self.limit_names)
        return BatteryInput(
            details=self.details(), **{name: self.cleaned_data[name] for name in own}
        )


def _capacity() -> forms.FloatField:
    return forms.FloatField(label="Nominal capacity", min_value=1e-6, max_value=1e6)


class LithiumForm(BatteryForm):
    """A lithium battery."""

    technology = Battery.Technology.LITHIUM
    detail_names = ("capacity", "chemistry")

    capacity = _capacity()
    chemistry = forms.ChoiceField(label="Chemistry", choices=Chemistry.choices)


class LeadAcidForm(BatteryForm):
    """A lead-acid battery."""

    technology = Battery.Technology.LEAD_ACID
    detail_names = ("capacity", "chemistry")

    capacity = _capacity()
    chemistry = forms.ChoiceField(label="Electrolyte held as", choices=LeadAcidChemistry.choices)


class RedoxStackForm(BatteryForm):
    """A redox-flow stack."""

    technology = Battery.Technology.REDOX_STACK
    detail_names = (
        "electrode_area",
        "electrode_composition",
        "bipolar_type",
        "membrane_type",
        "electrolyte_type",
    )

    electrode_area = forms.FloatField(label="Electrode area", min_value=1e-6, max_value=1e6)
    electrode_composition = _text(
        "Electrode composition", required=True, placeholder="Graphite felt, 4.6 mm"
    )
    bipolar_type = forms.ChoiceField(label="Bipolar plates", choices=RedoxStack.Bipolar.choices)
    membrane_type = forms.ChoiceField(label="Membrane", choices=RedoxStack.Membrane.choices)
    electrolyte_type = forms.ChoiceField(
        label="Electrolyte", choices=RedoxStack.Electrolyte.choices
    )


_DETAILS: dict[Battery.Technology, type[Details]] = {
    Battery.Technology.LITHIUM: LithiumDetails,
    Battery.Technology.LEAD_ACID: LeadAcidDetails,
    Battery.Technology.REDOX_STACK: RedoxStackDetails,
}
BATTERY_FORMS: dict[str, type[BatteryForm]] = {
    form.technology.value: form for form in (LithiumForm, LeadAcidForm, RedoxStackForm)
}
CELL_VOLTAGES: dict[str, dict[str, tuple[float, float]]] = {
    Battery.Technology.LITHIUM: {
        Chemistry.NMC: (2.5, 4.2),
        Chemistry.NCA: (2.5, 4.2),
        Chemistry.LMO: (3.0, 4.2),
        Chemistry.LFP: (2.0, 3.65),
        Chemistry.LCO: (3.0, 4.2),
    },
    Battery.Technology.LEAD_ACID: {
        LeadAcidChemistry.LIQUID: (1.75, 2.45),
        LeadAcidChemistry.GEL: (1.75, 2.35),
    },
    Battery.Technology.REDOX_STACK: {
        RedoxStack.Electrolyte.ALL_VANADIUM: (0.8, 1.65),
        RedoxStack.Electrolyte.VANADIUM_BASED: (0.8, 1.65),
    },
}
"""Usual voltages of a cell, offered by the form and never applied behind a person's back."""


def battery_initial(battery: Battery) -> dict[str, Any]:
    """What the form shows of a stored battery."""
    shown: dict[str, Any] = asdict(described(battery))
    details: dict[str, Any] = shown.pop("details")
    return shown | details


class ProfileForm(RecordForm):
    """A profile. ``seen``: the state that the user began from."""

    name = _text("Name", required=True, placeholder="Cycle life at 1C")
    description = _description()
    text = forms.CharField(
        label="Steps",
        strip=False,
        max_length=200_000,
        widget=forms.Textarea(
            attrs={
                "rows": 18,
                "spellcheck": "false",
                "autocapitalize": "off",
                "autocomplete": "off",
                "wrap": "off",
                "class": "font-monospace",
            }
        ),
    )
    seen = forms.DateTimeField(required=False, widget=forms.HiddenInput)

    def to_input(self) -> ProfileInput:
        """What was typed, for the operation. Only after ``is_valid()``."""
        return ProfileInput(
            name=self.cleaned_data["name"],
            description=self.cleaned_data["description"],
            text=self.cleaned_data["text"],
        )


def chosen(request: HttpRequest, name: str) -> int | None:
    """The number chosen for a field, from the body or the address; ``None`` without a sane one."""
    return number_in(request.POST.get(name) or request.GET.get(name, ""))


def chosen_in(typed: Mapping[str, Any], name: str) -> int | None:
    """The number chosen for a field of what was typed; ``None`` without a sane one."""
    return number_in(str(typed.get(name, "")))


def row_in(typed: Mapping[str, Any], name: str, rows: QuerySet[Row]) -> Row | None:
    """The record chosen for a field of what was typed, if there is one."""
    pk = chosen_in(typed, name)
    return None if pk is None else rows.filter(pk=pk).first()


def number_in(given: str) -> int | None:
    """The number of a record in a field; ``None`` for anything else."""
    longest = 18
    return int(given) if given.isdecimal() and given.isascii() and len(given) <= longest else None


def chosen_row(request: HttpRequest, name: str, rows: QuerySet[Row]) -> Row | None:
    """The record chosen for a field, if there is one."""
    pk = chosen(request, name)
    return None if pk is None else rows.filter(pk=pk).first()

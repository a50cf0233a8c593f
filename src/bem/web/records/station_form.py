"""The form of a station, whose device fields come from what its node told of the drivers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django import forms
from django.forms.forms import DeclarativeFieldsMetaclass
from django.http import QueryDict

from bem.lab.models import Node
from bem.lab.operations.definitions import StationInput
from bem.lab.operations.driver_settings import SETTINGS, Drivers
from bem.lab.operations.errors import OperationRefused
from bem.web.records import meter_fields
from bem.web.records.driver_settings import Group, Setting, field_of, flat, nested
from bem.web.records.forms import RecordForm
from bem.web.records.setting_fields import RESHAPES, NumberField, setting_field


class StationForm(RecordForm):
    """What every station has; :func:`station_form` adds its devices with their settings."""

    units: ClassVar[Mapping[str, str]] = {"period_ms": "ms", "silence_s": "s"}

    definition_names: ClassVar[Sequence[str]] = ("name", "period_ms", "silence_s", "time_scale")

    node = forms.ModelChoiceField(
        queryset=Node.objects.all(),
        empty_label="Choose a node",
        widget=forms.Select(attrs=RESHAPES),
    )
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

    meter_count = forms.IntegerField(required=False, widget=forms.HiddenInput)

    power: ClassVar[list[Group]] = []
    meters: ClassVar[list[list[Group]]] = []
    driver = forms.ChoiceField(label="Driver")

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
        fixed: Sequence[str] = (),
    ) -> None:
        super().__init__(data, initial={**(initial or {}), meter_fields.COUNT: len(self.meters)})
        for name in fixed:
            self.fields[name].disabled = True
        chosen = {
            one.name: _kind_shown(one, self[one.name].value())
            for one in self._settings_of(self._groups)
            if one.decides
        }
        self._others = [group for group in self._groups if not group.counts(chosen)]
        for one in self._settings_of(self._others):
            self.fields[one.name].required = False

    @property
    def device(self) -> list[dict[str, Any]]:
        """The groups of settings of the power path with their fields, for the template."""
        return self._shown(self.power)

    @property
    def meter_parts(self) -> list[dict[str, Any]]:
        """The meters with their fields, for the template."""
        return [
            {
                "place": place,
                "number": place + 1,
                **{
                    name: self[f"{meter_fields.prefix_of(place)}{name}"]
                    for name in ("name", "driver", "required", "stale_s", "channels")
                },
                "device": self._shown(groups),
            }
            for place, groups in enumerate(self.meters)
        ]

    @property
    def takes_more_meters(self) -> bool:
        """Whether a meter can be added."""
        return len(self.meters) < meter_fields.MOST

    def clean(self) -> dict[str, Any]:
        """Leave out what belongs to a kind that was not chosen, and miss a choice not made."""
        for group in self._others:
            said = [one for one in group.settings if self.data.get(one.name)]
            for one in group.settings:
                self.errors.pop(one.name, None)
            chooser = group.when[-1][0]
            if said and not self.data.get(chooser) and chooser not in self.errors:
                self.add_error(chooser, f"choose one: something is stated for {group.title}")
        return self.cleaned_data

    def to_input(self) -> StationInput:
        """What was typed, for the operation. Only after ``is_valid()``."""
        said = {name: self.cleaned_data[name] for name in self.definition_names}
        return StationInput(
            driver=self.cleaned_data["driver"],
            settings=nested(self.power, self.cleaned_data),
            meters=[
                meter_fields.meter_input(place, groups, self.cleaned_data)
                for place, groups in enumerate(self.meters)
            ],
            **said,
        )

    def take_refusal(self, refused: OperationRefused) -> None:
        """Show the reasons; one that has no field of its own is named by its path."""
        # A reason beside a field takes its value away, which others may still need.
        values = dict(self.cleaned_data)
        for name, reasons in refused.problems.items():
            field, inside = self._field_of(name, values)
            for reason in reasons:
                if field is not None:
                    self.add_error(field, f"{inside}: {reason}" if inside else reason)
                else:
                    self.add_error(None, f"{name}: {reason}" if name != "__all__" else reason)

    def _field_of(self, name: str, values: Mapping[str, object]) -> tuple[str | None, str]:
        if name in self.fields:
            return name, ""
        prefixes = ["", *(meter_fields.prefix_of(place) for place in range(len(self.meters)))]
        for prefix, groups in zip(prefixes, [self.power, *self.meters], strict=True):
            if name.startswith(f"{prefix}{SETTINGS}."):
                path = name.removeprefix(f"{prefix}{SETTINGS}.")
                found = field_of(groups, values, tuple(path.split(".")))
                return (found[0], ".".join(found[1])) if found is not None else (None, "")
            channels = f"{prefix}channels"
            if channels in self.fields and name.startswith(f"{channels}."):
                return channels, name.removeprefix(f"{channels}.")
        return None, ""

    @property
    def _groups(self) -> list[Group]:
        return [*self.power, *(group for groups in self.meters for group in groups)]

    @staticmethod
    def _settings_of(groups: Sequence[Group]) -> list[Setting]:
        return [one for group in groups for one in group.settings]

    def _shown(self, groups: Sequence[Group]) -> list[dict[str, Any]]:
        return [
            {
                "title": group.title,
                "help": group.help,
                "fields": [self[one.name] for one in group.settings],
                "is_kind": bool(group.when),
                "is_other": group in self._others,
            }
            for group in groups
            if group.settings
        ]


def _kind_shown(setting: Setting, value: object) -> object:
    """Get the kind that a choice shows: what was typed for another driver may be none of its."""
    return setting.choices[0] if setting.required and value not in setting.choices else value


def station_form(
    drivers: Drivers,
    data: QueryDict | None = None,
    *,
    initial: Mapping[str, Any] | None = None,
    fixed: Sequence[str] = (),
) -> StationForm:
    """Make the form for the drivers that are chosen in ``data``, or else in ``initial``.

    Args:
        drivers: Those that the node has.
        data: What was sent.
        initial: What is shown.
        fixed: Fields that cannot be changed.
    """
    said: Mapping[str, Any] = data if data is not None else (initial or {})
    power = meter_fields.groups_of(drivers, said.get("driver"))
    of_meters = [
        meter_fields.groups_of(drivers, said.get(f"{prefix}driver"), prefix)
        for prefix in map(meter_fields.prefix_of, range(meter_fields.count_in(said)))
    ]
    settings = [one for groups in (power, *of_meters) for group in groups for one in group.settings]
    of_fields = {
        name: field
        for place, groups in enumerate(of_meters)
        for name, field in meter_fields.meter_fields(
            drivers, place, groups, said.get(f"{meter_fields.prefix_of(place)}driver")
        ).items()
    }
    silences = {f"{meter_fields.prefix_of(place)}stale_s": "s" for place in range(len(of_meters))}
    content: dict[str, Any] = {
        "__doc__": "A station with the devices that were chosen.",
        "power": power,
        "meters": of_meters,
        "driver": meter_fields.driver_field(drivers, said.get("driver"), is_power=True),
        "units": {
            **StationForm.units,
            **silences,
            **{one.name: one.unit for one in settings if one.unit},
        },
        **{one.name: setting_field(one) for group in power for one in group.settings},
        **of_fields,
    }
    made = cast(
        type[StationForm], DeclarativeFieldsMetaclass("StationForm", (StationForm,), content)
    )
    return made(data, initial=initial, fixed=fixed)


def shown_station(drivers: Drivers, definition: Mapping[str, Any]) -> dict[str, object]:
    """Take a station's definition apart into what the fields show."""
    power = definition.get("power") or {}
    driver = power.get("driver", "")
    shown: dict[str, object] = {
        name: definition[name] for name in StationForm.definition_names if name in definition
    }
    shown |= {
        "driver": driver,
        **flat(meter_fields.groups_of(drivers, driver), power.get(SETTINGS, {})),
    }
    its_meters = definition.get("meters") or ()
    for place, meter in enumerate(its_meters):
        shown |= meter_fields.shown_meter(drivers, place, meter)
    return {**shown, meter_fields.COUNT: len(its_meters)}

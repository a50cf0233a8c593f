"""The form of an experiment: what is typed in it becomes what the operations take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from bem.domain.limits import Compare, Limit, Limited
from bem.domain.profile import model as profile_model
from bem.domain.profile.parameters import parameters_of
from bem.domain.profile.printing import print_limit, print_parameter
from bem.domain.profile.text import read_profile
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations.profiles import explain
from bem.web.records.forms import RecordForm

PARAMETER = "parameter-"
"""What the names of the fields of parameters begin with."""
_MOST_LIMITS = 50
_KINDS = {
    profile_model.ParameterKind.C_RATE: "C-rate",
    profile_model.ParameterKind.NUMBER: "Number of times",
}
_SIDES = {profile_model.Side.ABOVE: Compare.AT_LEAST, profile_model.Side.BELOW: Compare.AT_MOST}


def _record_choice(what: str, rows: QuerySet[Any]) -> "forms.ModelChoiceField[Any]":
    """A choice of a record; says when there is none of that number."""
    return forms.ModelChoiceField(
        queryset=rows,
        error_messages={
            "required": f"choose a {what}",
            "invalid_choice": f"there is no such {what}: choose one of the list",
        },
    )


class ExperimentForm(RecordForm):
    """An experiment to queue or to change. What fits is the operation's business."""

    battery = _record_choice(
        "battery", Battery.objects.select_related("lithium", "lead_acid", "redox_stack")
    )
    station = _record_choice("station", Station.objects.select_related("node"))
    profile = _record_choice("profile", Profile.objects.all())
    name = forms.CharField(
        label="Name",
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "Ageing, cell 7, 1C", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label="Description",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    limits = forms.CharField(
        label="Limits of this experiment",
        required=False,
        max_length=5000,
        help_text="One a line, besides those of battery, station and profile: the tightest counts. "
        "Beyond one the run fails and the station latches.",
        widget=forms.Textarea(
            attrs={
                "rows": 2,
                "spellcheck": "false",
                "class": "font-monospace",
                "placeholder": "temperature above 45 degC for 10 s",
            }
        ),
    )
    capacity_source = forms.ChoiceField(
        label="C-rates are of",
        choices=Experiment.CapacitySource.choices,
        initial=Experiment.CapacitySource.NOMINAL,
        required=False,
    )
    on_interruption = forms.ChoiceField(
        label="After a power cut or a crash",
        choices=Experiment.OnInterruption.choices,
        initial=Experiment.OnInterruption.END,
        required=False,
        help_text="The output is off then in any case, and the gap is recorded",
    )
    follows = forms.BooleanField(
        label="Starts by itself after another experiment on the same battery",
        required=False,
        initial=True,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    # A box that is not ticked is not sent: this tells a form without it from one unticked.
    with_settings = forms.BooleanField(required=False, initial=True, widget=forms.HiddenInput)

    @classmethod
    def names(cls) -> frozenset[str]:
        """The names of the fields that every profile has."""
        return frozenset(cls.base_fields)

    def clean_limits(self) -> tuple[Limit, ...]:
        """Read them as the language of profiles has them."""
        limits, problems = read_limits(self.cleaned_data["limits"])
        if problems:
            raise forms.ValidationError(problems)
        return limits

    def settings(self) -> dict[str, Any]:
        """What the operations take besides the records. Only after ``is_valid()``."""
        given = self.cleaned_data
        return {
            "name": given["name"],
            "description": given["description"],
            "limits": given["limits"],
            "parameters": changed_parameters(self.data, given["profile"]),
            "capacity_source": given["capacity_source"] or Experiment.CapacitySource.NOMINAL,
            "on_interruption": given["on_interruption"] or Experiment.OnInterruption.END,
            "follows": given["follows"] or not given["with_settings"],
        }


def read_limits(text: str) -> tuple[tuple[Limit, ...], list[str]]:
    """Read limits, one a line, with or without the word; or say what is wrong, by line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_LIMITS:
        return (), [f"there are {len(lines)} limits, at most {_MOST_LIMITS} are taken"]
    found: list[Limit] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        words = line if line.lower().startswith("limit") else f"Limit {line}"
        profile, wrong = read_profile(words)
        if wrong or profile.body or not profile.limits:
            why = explain(wrong[0]).partition(": ")[2] if wrong else "this is no limit"
            problems.append(f"limit {number} “{line}”: {why}")
        found += [_as_kept(one) for one in profile.limits]
    return tuple(found), problems


def limits_as_text(kept: list[dict[str, Any]]) -> str:
    """Write the limits of an experiment as a person would type them."""
    shown = []
    for one in kept:
        limit = Limit.model_validate(one)
        side = next(side for side, compare in _SIDES.items() if compare is limit.compare)
        written = profile_model.Limit(
            quantity=profile_model.Limited(limit.quantity),
            side=side,
            value=limit.threshold,
            delay_s=limit.delay_s,
        )
        shown.append(print_limit(written))
    return "\n".join(shown)


def _as_kept(limit: profile_model.Limit) -> Limit:
    return Limit(
        quantity=Limited(limit.quantity),
        compare=_SIDES[limit.side],
        threshold=limit.value,
        delay_s=limit.delay_s,
        owner="experiment",
    )


@dataclass(frozen=True, slots=True)
class ParameterField:
    """A parameter of a profile as a field. ``default`` and ``value`` as people write them."""

    name: str
    kind: profile_model.ParameterKind
    default: str
    value: str

    @property
    def field(self) -> str:
        """The name of the field in the form."""
        return f"{PARAMETER}{self.name}"

    @property
    def hint(self) -> str:
        """What it stands for, and what it is if nobody changes it: every parameter has that."""
        return f"{_KINDS.get(self.kind, self.kind.capitalize())}: {self.default} unless changed"


def parameter_fields(
    profile: Profile | None, typed: Mapping[str, Any]
) -> tuple[ParameterField, ...]:
    """Get the fields of the parameters of a profile, with what was typed or else the default."""
    if profile is None:
        return ()
    parsed, _ = read_profile(profile.text)
    fields = []
    for parameter in parameters_of(parsed):
        default = print_parameter(parameter)
        value = str(typed.get(f"{PARAMETER}{parameter.name}", "")).strip()
        fields.append(ParameterField(parameter.name, parameter.kind, default, value or default))
    return tuple(fields)


def changed_parameters(
    typed: Mapping[str, Any] | QueryDict, profile: Profile | None
) -> dict[str, str]:
    """Get the parameters of a profile that were given another value than its default."""
    return {
        one.name: one.value for one in parameter_fields(profile, typed) if one.value != one.default
    }


def initial_of(experiment: Experiment) -> dict[str, Any]:
    """Get what the form shows of a stored experiment."""
    kept = {
        name: getattr(experiment, name)
        for name in ("name", "description", "capacity_source", "on_interruption", "follows")
    }
    records = {
        name: getattr(experiment, f"{name}_id") for name in ("battery", "station", "profile")
    }
    values = {f"{PARAMETER}{name}": value for name, value in experiment.parameters.items()}
    return {**kept, **records, **values, "limits": limits_as_text(experiment.limits)}

"""Describe, correct and retire batteries."""

from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from bem.lab.models import Battery, Experiment, LeadAcid, Lithium, RedoxStack
from bem.lab.operations.errors import OperationRefused, Problems, check_fields, refusal
from bem.lab.rights import Role, User, require

CELL_TOLERANCE = 1.001
"""Limits of the whole may pass those of its cells by this factor: numbers are typed rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LithiumDetails:
    """What only a lithium battery has: capacity in Ah, chemistry as in ``Chemistry``."""

    capacity: float
    chemistry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadAcidDetails:
    """What only a lead-acid battery has: capacity in Ah, chemistry as in ``LeadAcidChemistry``."""

    capacity: float
    chemistry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoxStackDetails:
    """What only a redox-flow stack has: area in cm², types as in the choices of ``RedoxStack``."""

    electrode_area: float
    electrode_composition: str
    bipolar_type: str
    membrane_type: str
    electrolyte_type: str


Details: TypeAlias = LithiumDetails | LeadAcidDetails | RedoxStackDetails
DetailsRow: TypeAlias = Lithium | LeadAcid | RedoxStack

_TECHNOLOGIES: dict[type[Details], Battery.Technology] = {
    LithiumDetails: Battery.Technology.LITHIUM,
    LeadAcidDetails: Battery.Technology.LEAD_ACID,
    RedoxStackDetails: Battery.Technology.REDOX_STACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryInput:
    """A battery as a person describes it: V and A; ``current_min`` is 0 or negative."""

    name: str
    voltage_min: float
    voltage_max: float
    current_min: float
    current_max: float
    details: Details
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    description: str = ""
    fabricated_on: date | None = None
    cells: int = 1
    cell_voltage_min: float | None = None
    cell_voltage_max: float | None = None

    @property
    def technology(self) -> Battery.Technology:
        """The technology that the details belong to."""
        return _TECHNOLOGIES[type(self.details)]


_TEXTS = ("name", "manufacturer", "model", "serial_number", "description")
_COMMON = (
    *_TEXTS,
    "fabricated_on",
    "cells",
    "cell_voltage_min",
    "cell_voltage_max",
    "voltage_min",
    "voltage_max",
    "current_min",
    "current_max",
)
_DETAIL_FIELDS: dict[type[Details], tuple[str, ...]] = {
    LithiumDetails: ("capacity", "chemistry"),
    LeadAcidDetails: ("capacity", "chemistry"),
    RedoxStackDetails: (
        "electrode_area",
        "electrode_composition",
        "bipolar_type",
        "membrane_type",
        "electrolyte_type",
    ),
}


def add_battery(user: User, given: BatteryInput) -> Battery:
    """Store a new battery.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: a field is wrong, or there is such a battery already.
    """
    require(user, Role.OPERATOR)
    battery = Battery(created_by_id=user.pk)
    details = _apply(battery, given)
    _check(battery, details)
    try:
        with transaction.atomic():
            battery.save(force_insert=True)
            details.save(force_insert=True)
    except IntegrityError as error:
        raise _duplicate(battery) from error
    return battery


def edit_battery(user: User, battery: Battery, given: BatteryInput) -> Battery:
    """Correct a battery. Once an experiment has used it only its description may change.

    An experiment cancelled while still queued has used nothing.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: a field is wrong, may not change any more, or collides with another
            battery; the battery is gone.
    """
    require(user, Role.OPERATOR)
    try:
        with transaction.atomic():
            kept = _lock(battery)
            _check_editable(kept, _normalised(given))
            before = _DETAIL_RELATIONS[Battery.Technology(kept.technology)]
            details = _apply(kept, given)
            _check(kept, details)
            kept.save()
            if before != _DETAIL_RELATIONS[given.technology]:
                getattr(kept, before).delete()
            details.save()
            return kept
    except IntegrityError as error:
        raise _duplicate(battery) from error


def retire_battery(user: User, battery: Battery) -> None:
    """Take a battery out of use; its experiments stay. Retiring twice changes nothing.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: an experiment on it is queued or running.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _lock(battery)
        holding = kept.experiments.filter(status__in=Experiment.OPEN).first()
        if holding is not None:
            raise refusal(
                f"experiment “{holding}” on this battery is "
                f"{holding.get_status_display().lower()}: let it end or cancel it first"
            )
        if kept.retired_at is None:
            kept.retired_at = timezone.now()
            kept.save(update_fields=["retired_at"])


def restore_battery(user: User, battery: Battery) -> None:
    """Take a retired battery into use again. Restoring twice changes nothing.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: the battery is gone.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _lock(battery)
        kept.retired_at = None
        kept.save(update_fields=["retired_at"])


def is_used(battery: Battery) -> bool:
    """Whether an experiment has used the battery, or is going to."""
    return battery.experiments.exclude(status=Experiment.Status.CANCELLED).exists()


def described(battery: Battery) -> BatteryInput:
    """What somebody would have to give to describe the battery as it is stored."""
    details: Details
    match Battery.Technology(battery.technology):
        case Battery.Technology.LITHIUM:
            details = LithiumDetails(
                capacity=battery.lithium.capacity, chemistry=battery.lithium.chemistry
            )
        case Battery.Technology.LEAD_ACID:
            details = LeadAcidDetails(
                capacity=battery.lead_acid.capacity, chemistry=battery.lead_acid.chemistry
            )
        case Battery.Technology.REDOX_STACK:
            stack = battery.redox_stack
            details = RedoxStackDetails(
                electrode_area=stack.electrode_area,
                electrode_composition=stack.electrode_composition,
                bipolar_type=stack.bipolar_type,
                membrane_type=stack.membrane_type,
                electrolyte_type=stack.electrolyte_type,
            )
    return BatteryInput(details=details, **{name: getattr(battery, name) for name in _COMMON})


_DETAIL_RELATIONS: dict[Battery.Technology, str] = {
    Battery.Technology.LITHIUM: "lithium",
    Battery.Technology.LEAD_ACID: "lead_acid",
    Battery.Technology.REDOX_STACK: "redox_stack",
}


def _lock(battery: Battery) -> Battery:
    try:
        return Battery.objects.select_for_update().get(pk=battery.pk)
    except Battery.DoesNotExist:
        raise refusal(f"battery “{battery}” is not there any more: choose another") from None


def _normalised(given: BatteryInput) -> BatteryInput:
    return replace(given, **{name: getattr(given, name).strip() for name in _TEXTS})


def _apply(battery: Battery, given: BatteryInput) -> DetailsRow:
    """Put what was given into rows that are not saved yet."""
    given = _normalised(given)
    for name in _COMMON:
        setattr(battery, name, getattr(given, name))
    battery.technology = given.technology
    match given.details:
        case LithiumDetails() as lithium:
            return Lithium(battery=battery, capacity=lithium.capacity, chemistry=lithium.chemistry)
        case LeadAcidDetails() as lead_acid:
            return LeadAcid(
                battery=battery, capacity=lead_acid.capacity, chemistry=lead_acid.chemistry
            )
        case RedoxStackDetails() as stack:
            return RedoxStack(
                battery=battery,
                electrode_area=stack.electrode_area,
                electrode_composition=stack.electrode_composition.strip(),
                bipolar_type=stack.bipolar_type,
                membrane_type=stack.membrane_type,
                electrolyte_type=stack.electrolyte_type,
            )


def _check(battery: Battery, details: DetailsRow) -> None:
    problems = Problems()
    check_fields(battery, problems, exclude=["created_by"])
    check_fields(details, problems, exclude=["battery"])
    _check_voltages(battery, problems)
    _check_currents(battery, problems)
    _check_cells(battery, problems)
    if "name" not in problems and _twins(battery).exists():
        raise _duplicate(battery)
    problems.refuse_if_any()


def _check_voltages(battery: Battery, problems: Problems) -> None:
    for low_field, high_field, what in (
        ("voltage_min", "voltage_max", "voltage"),
        ("cell_voltage_min", "cell_voltage_max", "cell voltage"),
    ):
        low, high = getattr(battery, low_field), getattr(battery, high_field)
        if low is None or high is None or low_field in problems or high_field in problems:
            continue
        if low >= high:
            problems.add(
                low_field,
                f"the minimum {what} {low:g} V must be below the maximum {what} {high:g} V: "
                "correct one of them",
            )


def _check_currents(battery: Battery, problems: Problems) -> None:
    if "current_min" in problems or "current_max" in problems:
        return
    low, high = battery.current_min, battery.current_max
    if low > 0:
        problems.add(
            "current_min",
            f"{low:g} A: the strongest discharge is 0 or negative, here perhaps {-low:g} A",
        )
    if high < 0:
        problems.add(
            "current_max",
            f"{high:g} A: the strongest charge is 0 or positive, here perhaps {-high:g} A",
        )
    if low == high == 0:
        problems.add(
            "current_max",
            "both currents are 0 A: allow charging, discharging or both",
        )


def _check_cells(battery: Battery, problems: Problems) -> None:
    """The whole may not go where its cells may not: a slip of one cell in twelve kills a pack."""
    involved = ("cells", "voltage_min", "voltage_max", "cell_voltage_min", "cell_voltage_max")
    if any(field in problems for field in involved):
        return
    cells = battery.cells
    if battery.cell_voltage_max is not None:
        highest = cells * battery.cell_voltage_max
        if battery.voltage_max > highest * CELL_TOLERANCE:
            problems.add(
                "voltage_max",
                f"{battery.voltage_max:g} V is more than {cells} x {battery.cell_voltage_max:g} V "
                f"= {highest:g} V, what its cells allow: lower it or correct the cells",
            )
    if battery.cell_voltage_min is not None:
        lowest = cells * battery.cell_voltage_min
        if battery.voltage_min * CELL_TOLERANCE < lowest:
            problems.add(
                "voltage_min",
                f"{battery.voltage_min:g} V is less than {cells} x {battery.cell_voltage_min:g} V "
                f"= {lowest:g} V, what its cells allow: raise it or correct the cells",
            )


def _twins(battery: Battery) -> models.QuerySet[Battery]:
    return Battery.objects.filter(
        name=battery.name,
        manufacturer=battery.manufacturer,
        model=battery.model,
        serial_number=battery.serial_number,
    ).exclude(pk=battery.pk)


def _duplicate(battery: Battery) -> OperationRefused:
    parts = [
        f"{title} “{value}”" if value else f"no {title}"
        for title, value in (
            ("name", battery.name),
            ("manufacturer", battery.manufacturer),
            ("model", battery.model),
            ("serial number", battery.serial_number),
        )
    ]
    return refusal(
        f"there is a battery with {', '.join(parts)} already: "
        "change one of the four, such as the serial number",
        field="name",
    )


def _check_editable(stored: Battery, given: BatteryInput) -> None:
    if not is_used(stored):
        return
    before = described(stored)
    problems = Problems()
    names = [name for name in _COMMON if name != "description"]
    for name in names:
        was = getattr(before, name)
        if getattr(given, name) != was:
            problems.add(name, _fixed(was))
    if given.technology != before.technology:
        problems.add("technology", _fixed(before.technology.label))
    else:
        for name in _DETAIL_FIELDS[type(before.details)]:
            was = getattr(before.details, name)
            if getattr(given.details, name) != was:
                problems.add(name, _fixed(was))
    problems.refuse_if_any()


def _fixed(was: object) -> str:
    shown = f"{was:g}" if isinstance(was, float) else was
    stays = f"stays {shown}" if shown not in ("", None) else "stays empty"
    return f"{stays}: experiments have used this battery; retire it and add it anew to change this"

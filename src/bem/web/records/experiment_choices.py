"""What can be chosen for an experiment, given what is chosen so far; and why the rest cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, Model, Q, QuerySet

from bem.lab.capacity import Measured, measured_capacity
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations.fitting import Trial, misfits, try_profile
from bem.web.records.forms import chosen_in

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class BatteryChoice:
    """A battery to choose, and where it is already."""

    battery: Battery
    is_chosen: bool
    held_at: str = ""


@dataclass(frozen=True, slots=True)
class StationChoice:
    """A station, and why it cannot be chosen."""

    station: Station
    is_chosen: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """A profile, and why it cannot be chosen."""

    profile: Profile
    is_chosen: bool
    reasons: tuple[str, ...]

    @property
    def more(self) -> int:
        """How many reasons there are besides the first."""
        return len(self.reasons) - 1


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen now, and what is."""

    batteries: list[BatteryChoice]
    stations: list[StationChoice]
    profiles: list[ProfileChoice]
    battery: Battery | None
    profile: Profile | None
    suggested_name: str


@dataclass(frozen=True, slots=True)
class Capacities:
    """What C-rates can be taken of: Ah, ``None`` where it is not known."""

    nominal: float | None
    measured: Measured | None


def capacities_of(battery: Battery | None) -> Capacities | None:
    """Get both capacities of a battery."""
    if battery is None:
        return None
    return Capacities(battery.spec().capacity, measured_capacity(battery))


def choices_for(typed: Mapping[str, Any], *, fixed: Experiment | None = None) -> Choices:
    """Work out what fits to what is chosen so far.

    ``fixed``: an experiment whose battery and station are not to be chosen any more.
    """
    batteries = list(_batteries(fixed))
    battery = _find(batteries, chosen_in(typed, "battery"))
    held = _held_batteries()
    stations = _station_choices(battery, held, chosen_in(typed, "station"), fixed)
    station = next((one.station for one in stations if one.is_chosen and not one.reasons), None)
    profiles = list(_profiles(fixed))
    profile = _find(profiles, chosen_in(typed, "profile"))
    trials = _trials(profiles, battery, station)
    return Choices(
        batteries=[
            BatteryChoice(one, one == battery, held[one.pk][1] if one.pk in held else "")
            for one in batteries
        ],
        stations=stations,
        profiles=sorted(
            (ProfileChoice(one.profile, one.profile == profile, one.reasons) for one in trials),
            key=lambda one: bool(one.reasons),
        ),
        battery=battery,
        profile=profile,
        suggested_name=f"{profile} · {battery}"[:64] if profile and battery else "",
    )


def _batteries(fixed: Experiment | None) -> QuerySet[Battery]:
    rows = Battery.objects.select_related("lithium", "lead_acid", "redox_stack")
    if fixed is not None:
        return rows.filter(pk=fixed.battery_id)
    return rows.filter(retired_at__isnull=True)


def _profiles(fixed: Experiment | None) -> QuerySet[Profile]:
    in_use = Q(retired_at__isnull=True)
    return Profile.objects.filter(in_use if fixed is None else in_use | Q(pk=fixed.profile_id))


def _find(rows: list[Row], pk: int | None) -> Row | None:
    return next((row for row in rows if row.pk == pk), None)


def _held_batteries() -> dict[int, tuple[int, str]]:
    """Battery to the station (number, name) where an experiment on it is open."""
    rows = Experiment.objects.filter(status__in=Experiment.OPEN).values_list(
        "battery_id", "station_id", "station__name"
    )
    return {battery: (station, name) for battery, station, name in rows.distinct().order_by()}


def _station_choices(
    battery: Battery | None,
    held: dict[int, tuple[int, str]],
    pk: int | None,
    fixed: Experiment | None,
) -> list[StationChoice]:
    stations = (
        Station.objects.filter(present=True)
        .select_related("node")
        .annotate(waiting=Count("experiments", filter=Q(experiments__status__in=Experiment.OPEN)))
    )
    if fixed is not None:
        stations = stations.filter(pk=fixed.station_id)
    found = []
    for station in stations:
        reasons = misfits(battery, station) if battery is not None else []
        if battery is not None and battery.pk in held and held[battery.pk][0] != station.pk:
            reasons.append(f"the battery is at “{held[battery.pk][1]}” now")
        found.append(StationChoice(station, station.pk == pk, tuple(reasons)))
    return sorted(found, key=lambda one: bool(one.reasons))


def _trials(
    profiles: list[Profile], battery: Battery | None, station: Station | None
) -> list[Trial]:
    if battery is None or station is None:
        return [Trial(profile, None) for profile in profiles]
    battery_spec, station_spec = battery.spec(), station.spec()
    return [try_profile(profile, battery_spec, station_spec) for profile in profiles]

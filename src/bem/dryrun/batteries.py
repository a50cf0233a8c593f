"""From what is known of a battery to a model of it, saying what had to be assumed."""

from bem.domain.battery import Technology
from bem.domain.limits import Limits
from bem_drivers.model import BatteryModelSettings, Chemistry
from bem_drivers.model.ocv import OpenCircuitCurve, cell_voltages

LONGEST_STRETCH = 0.12
"""A lithium battery's voltage limits are taken for those of its capacity if they lie within this
share of the chemistry's; limits further off are of another kind, and say nothing of it."""
STACK_HOURS = 2.0
"""A redox-flow stack, of which no capacity is known, holds what its highest current moves in so
many hours."""
STACK_DROP_V = 0.15
"""Voltage (V a cell) that a stack loses at its highest current where its electrodes are unknown."""
STACK_OHM_CM2 = 1.0
"""Area resistance (ohm cm²) of one cell of a stack that acts at once, and of the slow part."""
STACK_SLOW_OHM_CM2 = 0.4
STACK_SLOW_S = 60.0
UNKNOWN_CAPACITY = 2.5
"""Ah, where nothing tells."""

_CHEMISTRIES = {
    Technology.LITHIUM: {
        "nmc": Chemistry.NMC,
        "nca": Chemistry.NCA,
        "lmo": Chemistry.LMO,
        "lfp": Chemistry.LFP,
        "lco": Chemistry.LCO,
    },
    Technology.LEAD_ACID: {"liquid": Chemistry.LEAD_ACID, "gel": Chemistry.LEAD_ACID_GEL},
    Technology.REDOX_STACK: {"all_vanadium": Chemistry.VANADIUM},
}
_EFFICIENCIES = {
    Chemistry.LEAD_ACID: 0.92,
    Chemistry.LEAD_ACID_GEL: 0.95,
    Chemistry.VANADIUM: 0.96,
}
"""Share of the charge put in that comes out again; of lithium cells all but what cannot be seen."""
_CHARGED_AT = {Technology.LEAD_ACID: 2.4, Technology.REDOX_STACK: 1.65}
"""V a cell at which such batteries are charged: their limits tell how many cells there are."""


def model_of(
    *,
    technology: Technology,
    limits: Limits,
    chemistry: str = "",
    capacity: float | None = None,
    cells: int | None = None,
    electrode_area: float | None = None,
    soc: float | None = None,
    ambient_degc: float = 25.0,
) -> BatteryModelSettings:
    """Get the model of a battery.

    ``chemistry`` as the laboratory's records name it, ``capacity`` in Ah, ``cells`` in series,
    ``electrode_area`` (cm²) of a stack's cells. ``soc`` (0..1) at the start; left out, a dry run
    chooses it by what its program does first. What is not known is assumed:
    see :func:`assumptions`.
    """
    settings, _ = _understood(technology, limits, chemistry, capacity, cells, electrode_area)
    settings["ambient_degc"] = ambient_degc
    if soc is not None:
        settings["soc"] = soc
    return BatteryModelSettings.model_validate(settings)


def assumptions(
    *,
    technology: Technology,
    limits: Limits,
    chemistry: str = "",
    capacity: float | None = None,
    cells: int | None = None,
    electrode_area: float | None = None,
) -> tuple[str, ...]:
    """Say what :func:`model_of` assumes of the same battery, for people."""
    return _understood(technology, limits, chemistry, capacity, cells, electrode_area)[1]


def _understood(
    technology: Technology,
    limits: Limits,
    chemistry_name: str,
    capacity: float | None,
    cells: int | None,
    electrode_area: float | None,
) -> tuple[dict[str, object], tuple[str, ...]]:
    assumed: list[str] = []
    known = _CHEMISTRIES[technology]
    chemistry = known.get(chemistry_name)
    if chemistry is None:
        chemistry = next(iter(known.values()))
        assumed.append(f"its voltage follows that of {chemistry.value.replace('-', ' ')} cells")
    if cells is None or (cells == 1 and not _is_one_cell(chemistry, limits)):
        cells = _cells(technology, chemistry, limits)
        assumed.append(f"it has {cells} cells in series, by its voltage limits")
    if capacity is None:
        capacity = _capacity(limits)
        assumed.append(f"it holds {capacity:.4g} Ah")
    settings: dict[str, object] = {
        "chemistry": chemistry,
        "capacity_ah": capacity,
        "cells": cells,
        "coulombic_efficiency": _EFFICIENCIES.get(chemistry, 1.0),
    }
    if technology is Technology.LITHIUM:
        settings |= _window(chemistry, cells, limits)
    if technology is Technology.REDOX_STACK:
        settings |= _stack(cells, limits, electrode_area)
        if electrode_area is None:
            assumed.append(f"it loses {STACK_DROP_V:g} V a cell at its highest current")
    return settings, tuple(assumed)


def _is_one_cell(chemistry: Chemistry, limits: Limits) -> bool:
    """Whether limits may be those of a single cell: records that do not know say 1."""
    return limits.voltage_max is None or limits.voltage_max < 1.5 * cell_voltages(chemistry)[1]


def _cells(technology: Technology, chemistry: Chemistry, limits: Limits) -> int:
    if limits.voltage_max is None:
        return 1
    charged_at = _CHARGED_AT.get(technology, cell_voltages(chemistry)[1])
    return min(max(round(limits.voltage_max / charged_at), 1), 1000)


def _capacity(limits: Limits) -> float:
    strongest = max(abs(limits.current_min or 0.0), abs(limits.current_max or 0.0))
    return strongest * STACK_HOURS or UNKNOWN_CAPACITY


def _window(chemistry: Chemistry, cells: int, limits: Limits) -> dict[str, object]:
    """Let the capacity lie between the limits, as a maker's does, if they look like its window."""
    empty, full = (voltage * cells for voltage in cell_voltages(chemistry))
    found: dict[str, object] = {}
    low, high = limits.voltage_min, limits.voltage_max
    middle = OpenCircuitCurve(chemistry, cells).at(0.5)[0]
    if low is not None and empty * (1 - LONGEST_STRETCH) <= low < middle:
        found["voltage_empty"] = low
    if high is not None and middle < high <= full * (1 + LONGEST_STRETCH):
        found["voltage_full"] = high
    return found


def _stack(cells: int, limits: Limits, electrode_area: float | None) -> dict[str, object]:
    if electrode_area is not None:
        instant, slow = STACK_OHM_CM2 / electrode_area, STACK_SLOW_OHM_CM2 / electrode_area
    else:
        strongest = max(abs(limits.current_min or 0.0), abs(limits.current_max or 0.0), 1e-3)
        whole = STACK_DROP_V / strongest
        slow_share = STACK_SLOW_OHM_CM2 / (STACK_OHM_CM2 + STACK_SLOW_OHM_CM2)
        instant, slow = whole * (1 - slow_share), whole * slow_share
    return {
        "resistance_ohm": instant * cells,
        "polarisation_ohm": slow * cells,
        "polarisation_s": STACK_SLOW_S,
    }

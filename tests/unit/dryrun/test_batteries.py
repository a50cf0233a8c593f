"""From the records of a battery to its model."""

from typing import Any

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.text import parse_profile
from bem.dryrun import assumptions, dry_run, model_of
from bem_drivers.model import BatteryModel, BatteryModelSettings, Chemistry


def at_rest(settings: BatteryModelSettings, soc: float) -> float:
    return BatteryModel(settings.model_copy(update={"soc": soc})).open_circuit_voltage


def limits(low: float, high: float, current: float = 10.0) -> Limits:
    return Limits(voltage_min=low, voltage_max=high, current_min=-current, current_max=current)


@pytest.mark.parametrize("chemistry", ["nmc", "nca", "lmo", "lfp", "lco"])
def test_a_lithium_cell_is_empty_and_full_at_its_own_limits(chemistry: str) -> None:
    window = limits(2.8, 3.6) if chemistry == "lfp" else limits(3.0, 4.15)
    known: dict[str, Any] = {
        "technology": Technology.LITHIUM,
        "chemistry": chemistry,
        "capacity": 3.0,
        "cells": 1,
        "limits": window,
    }
    settings = model_of(**known)
    assert settings.chemistry.value == chemistry
    assert at_rest(settings, 0.0) == pytest.approx(window.voltage_min)
    assert at_rest(settings, 1.0) == pytest.approx(window.voltage_max)
    assert assumptions(**known) == ()


def test_limits_far_from_the_chemistry_say_nothing_of_its_capacity() -> None:
    settings = model_of(
        technology=Technology.LITHIUM, chemistry="nmc", capacity=3, cells=1, limits=limits(0.5, 5.0)
    )
    assert (at_rest(settings, 0.0), at_rest(settings, 1.0)) == (2.5, 4.2)


def test_a_pack_that_does_not_say_its_cells_has_those_of_its_voltage() -> None:
    known: dict[str, Any] = {
        "technology": Technology.LITHIUM,
        "chemistry": "nmc",
        "capacity": 10.0,
        "cells": 1,
        "limits": limits(36.0, 50.4),
    }
    assert model_of(**known).cells == 12
    assert assumptions(**known) == ("it has 12 cells in series, by its voltage limits",)


@pytest.mark.parametrize(
    ("chemistry", "model"), [("liquid", Chemistry.LEAD_ACID), ("gel", Chemistry.LEAD_ACID_GEL)]
)
def test_a_lead_acid_battery_rests_below_the_voltage_it_is_charged_at(
    chemistry: str, model: Chemistry
) -> None:
    settings = model_of(
        technology=Technology.LEAD_ACID, chemistry=chemistry, capacity=7, limits=limits(10.5, 14.7)
    )
    assert (settings.chemistry, settings.cells) == (model, 6)
    assert 12.9 < at_rest(settings, 1.0) < 13.3
    assert settings.coulombic_efficiency < 1


def test_a_redox_stack_of_unknown_capacity_says_what_is_assumed() -> None:
    known: dict[str, Any] = {
        "technology": Technology.REDOX_STACK,
        "chemistry": "all_vanadium",
        "cells": 5,
        "limits": limits(4.0, 8.25, 20.0),
    }
    settings = model_of(**known)
    assert (settings.chemistry, settings.capacity_ah) == (Chemistry.VANADIUM, 40.0)
    assert at_rest(settings, 0.5) == pytest.approx(5 * 1.4)
    assert assumptions(**known) == (
        "it holds 40 Ah",
        "it loses 0.15 V a cell at its highest current",
    )


@pytest.mark.parametrize(
    ("technology", "chemistry", "cells", "window", "efficiency"),
    [
        (Technology.LITHIUM, "lfp", 4, limits(10.0, 14.4), 1.0),
        (Technology.LITHIUM, "lco", 1, limits(3.0, 4.2), 1.0),
        (Technology.LEAD_ACID, "liquid", 6, limits(10.5, 14.7), 0.92),
        (Technology.LEAD_ACID, "gel", 12, limits(21.0, 28.4), 0.95),
        (Technology.REDOX_STACK, "all_vanadium", 10, limits(8.0, 16.5), 0.96),
    ],
)
def test_a_charge_and_a_discharge_between_the_limits_move_the_capacity(
    technology: Technology, chemistry: str, cells: int, window: Limits, efficiency: float
) -> None:
    battery = model_of(
        technology=technology, chemistry=chemistry, capacity=20.0, cells=cells, limits=window
    )
    spec = BatterySpec(name="it", technology=technology, capacity=20.0, limits=window)
    text = (
        f"Charge at C/5 until {window.voltage_max:g} V\n"
        f"Hold at {window.voltage_max:g} V until C/50\n"
        f"Rest for 1 hour\nDischarge at C/5 until {window.voltage_min:g} V\n"
    )
    program = compile_profile(parse_profile(text), spec, StationSpec(name="one", limits=window))
    run = dry_run(program, battery)
    assert run.ending == "finished", run.reason
    assert run.moved.charge_out == pytest.approx(20.0, rel=0.06)
    assert run.moved.charge_out / run.moved.charge_in == pytest.approx(efficiency, abs=0.01)
    # Resistance takes its part beside what the side reactions take.
    assert run.moved.energy_out / run.moved.energy_in < (run.moved.charge_out / run.moved.charge_in)


def test_large_electrodes_lose_less() -> None:
    def resistance(area: float) -> float | None:
        return model_of(
            technology=Technology.REDOX_STACK,
            chemistry="all_vanadium",
            cells=2,
            limits=limits(1.6, 3.3),
            electrode_area=area,
        ).resistance_ohm

    assert resistance(100.0) == pytest.approx(0.02)
    assert resistance(1000.0) == pytest.approx(0.002)


def test_an_unknown_chemistry_is_taken_for_a_common_one_and_says_so() -> None:
    known: dict[str, Any] = {
        "technology": Technology.LITHIUM,
        "chemistry": "other",
        "capacity": 2.0,
        "cells": 1,
        "limits": limits(2.5, 4.2),
    }
    assert assumptions(**known) == ("its voltage follows that of nmc cells",)


def test_a_state_of_charge_that_is_given_stands() -> None:
    settings = model_of(
        technology=Technology.LITHIUM, capacity=2, cells=1, limits=limits(2.5, 4.2), soc=0.25
    )
    assert "soc" in settings.model_fields_set
    assert settings.soc == 0.25

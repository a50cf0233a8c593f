"""How each driver is put up for the conformance tests, and what its device can do.

A driver of this project belongs into ``MAKERS``; a test fails for one that is not there.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.clock import ManualClock
from tests.unit.drivers.conformance import Maker, Power, Said
from tests.unit.drivers.conformance_bench import Bench, linked, put_up

from bem_drivers import bk2831, bms, ea, epc, flow, kel103, pair, scpi, virtual
from bem_drivers.base import Clock, Device, Identity, Mode
from bem_drivers.bk2831.driver import Bk2831Driver
from bem_drivers.bms.driver import BmsDriver
from bem_drivers.ea.driver import EaDriver
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.flow.driver import FlowMeter
from bem_drivers.flow.simulator import FlowUnit
from bem_drivers.kel103.driver import Kel103Driver
from bem_drivers.model import BatteryModelSettings
from bem_drivers.pair.driver import PairDevice
from bem_drivers.registry import DriverSpec
from bem_drivers.scpi.meter import ScpiMeter
from bem_drivers.scpi.power import ScpiPower
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.virtual import VirtualDevice

LINE = {"kind": "serial", "port": "/dev/none"}
BUS = {"interface": "virtual", "channel": "none"}
CELLS = BatteryModelSettings(soc=0.5), BatteryModelSettings(soc=0.7)
"""The batteries of two instances at once."""
STACKS = (
    BatteryModelSettings(chemistry="vanadium", cells=12, capacity_ah=100.0, soc=0.5),
    BatteryModelSettings(chemistry="vanadium", cells=12, capacity_ah=100.0, soc=0.9),
)
CC_CV_CP = frozenset({Mode.CC, Mode.CV, Mode.CP})
CC_CV = frozenset({Mode.CC, Mode.CV})


def spoilt_lines(reply_timeout_s: float) -> dict[str, str]:
    """Get what any device on a line can suffer. Twice the timeout is as late as a driver bears."""
    return {
        "wrong": "wrong hello",
        "late": f"late {round(1500 * reply_timeout_s)}",
        "half": "half 1",
        "noise": "garbage 2",
        "double": "double 1",
        "lost": "drop 1",
    }


def poles(bench: Bench) -> dict[str, float]:
    """Get what a power device must measure."""
    return {"voltage": bench.voltage, "current": bench.current}


def _flows(bench: Bench) -> dict[str, float]:
    """Get what both sensors show (L/min); the simulated flows are whole numbers of 10 mL/min."""
    faulty = bench.units[0]
    assert isinstance(faulty, Faulty)
    assert isinstance(faulty.unit, FlowUnit)
    settings = faulty.unit.settings
    return {"flow": settings.flow / 1000, "flow_aux": settings.flow_aux / 1000}


def maker_of(
    name: str,
    spec: DriverSpec,
    make: Callable[[Any, Clock, Any], Device],
    *,
    settings: Mapping[str, object],
    units: tuple[Mapping[str, object], Mapping[str, object]],
    batteries: tuple[BatteryModelSettings, BatteryModelSettings] = CELLS,
    on_for_s: float = 0.0,
    **expected: Any,  # noqa: ANN401 - the other fields of a Maker
) -> Maker:
    """Get the maker of a device that is alone behind its wire.

    ``on_for_s``: how long (s) it has been on, for one that has nothing to show at first.
    """

    def put_up_one(clock: ManualClock, number: int, changes: Mapping[str, object]) -> Bench:
        described = {**settings, **changes}
        bench = put_up(clock, spec, make, described, units[number], batteries[number])
        clock.sleep(on_for_s)
        return bench

    return Maker(name=name, spec=spec, put_up=put_up_one, settings=settings, **expected)


def _virtual(clock: ManualClock, number: int, changes: Mapping[str, object]) -> Bench:
    described = {"battery": CELLS[number].model_dump(), "seed": number, **changes}
    device = VirtualDevice(virtual.VirtualSettings.model_validate(described), clock)
    return Bench(clock, device, device.battery, lambda: device)


def _pair(clock: ManualClock, number: int, changes: Mapping[str, object]) -> Bench:
    terminals = Terminals(CELLS[number])
    terminals.advance(clock.now_ns)
    named = f"BEM,PAIR,{number + 1},0"
    sides = {"source": (scpi.SOURCE, SOURCE), "load": (scpi.LOAD, LOAD)}
    ends = {
        side: linked(clock, spec, {**settings, "identity": named}, terminals, side)
        for side, (spec, settings) in sides.items()
    }
    described = pair.PairSettings.model_validate({**PAIR, **changes})

    def driver(side: str) -> ScpiPower:
        spec, _ = sides[side]
        settings: Any = spec.settings.model_validate(getattr(described, side).settings)
        link, _ = ends[side]
        assert isinstance(link, LoopbackLine)
        return ScpiPower(settings, clock, link)

    def made() -> Device:
        return PairDevice(described, clock, driver("source"), driver("load"))

    return Bench(
        clock,
        made(),
        terminals,
        made,
        tuple(unit for _, unit in ends.values()),
        tuple(link for link, _ in ends.values()),
    )


SOURCE = {"instrument": "scpi-99-source"}
LOAD = {"instrument": "scpi-99-load"}
METER = {"instrument": "scpi-99-meter"}
PAIR = {
    "source": {"driver": "scpi-source", "settings": {"address": LINE, **SOURCE}},
    "load": {
        "driver": "scpi-load",
        "settings": {"address": {"kind": "serial", "port": "/dev/none2"}, **LOAD},
    },
}
_STRANGE_SIDE = {
    "driver": "scpi-source",
    "settings": {"address": LINE, **SOURCE, "serial_number": "another"},
}
_PSB = {"model": "PSB 9060-60", "voltage": 60.0, "current": 60.0, "power": 1500.0}
_DUAL = {"model": "PS 2384-05B", "voltage": 84.0, "current": 5.0, "power": 160.0}
_EA = "EA Elektro-Automatik GmbH & Co. KG"


def _ea(name: str, unit: Mapping[str, object], power: Power, **settings: object) -> Maker:
    model = str(unit["model"])
    return maker_of(
        name,
        ea.DRIVER,
        EaDriver,
        settings={"address": LINE, **settings},
        units=({**unit, "serial_number": "1"}, {**unit, "serial_number": "2"}),
        identities=(Identity(_EA, model, "1"), Identity(_EA, model, "2")),
        truth=poles,
        spoilt=spoilt_lines(0.5),
        stranger={"serial_number": "another"},
        said=(
            Said(("+3.70e+00 V,-1.5E-1A , -5.55e-1 W",), values={"voltage": 3.7, "current": -0.15}),
            Said(("nan V, 0.50 A, 6.0 W",)),
            Said(("12.00 V, 1e999 A, 6.0 W",)),
        ),
        power=power,
    )


def _scpi(
    name: str, spec: DriverSpec, described: Mapping[str, object], said: Said, power: Power
) -> Maker:
    return maker_of(
        name,
        spec,
        ScpiPower,
        settings={"address": LINE, **described},
        units=(
            {**described, "identity": "BEM,SIMULATED,1,0"},
            {**described, "identity": "BEM,SIMULATED,2,0"},
        ),
        identities=(Identity("BEM", "SIMULATED", "1"), Identity("BEM", "SIMULATED", "2")),
        truth=poles,
        spoilt=spoilt_lines(0.5),
        stranger={"serial_number": "another"},
        said=(said, Said(("nan",)), Said(("3.7", "-inf"))),
        power=power,
    )


MAKERS: tuple[Maker, ...] = (
    Maker(
        name="virtual",
        spec=virtual.DRIVER,
        put_up=_virtual,
        settings={},
        identities=(Identity("BEM", "virtual", "0"), Identity("BEM", "virtual", "1")),
        truth=poles,
        power=Power(CC_CV_CP, CC_CV_CP, silence=True),
    ),
    maker_of(
        "epc",
        epc.DRIVER,
        EpcDriver,
        settings={"bus": BUS},
        units=({"serial_number": 1}, {"serial_number": 2}),
        identities=(Identity("Wattrex", "EPC rev. A", "1"), Identity("Wattrex", "EPC rev. A", "2")),
        truth=poles,
        spoilt={
            "wrong": "wrong FF FF FF FF FF FF FF FF",
            "late": "late 150",
            "half": "half 2",
            "noise": "garbage 2",
            "double": "double 2",
            "lost": "drop 2",
        },
        silent=("unplug on", "unplug off"),
        stranger={"serial_number": 99},
        said=(Said(orders=("body -12.5",), values={"temperature_body": -12.5}),),
        power=Power(CC_CV_CP, CC_CV_CP, silence=True),
    ),
    maker_of(
        "bms",
        bms.DRIVER,
        BmsDriver,
        # Listeners share every bus but this one.
        settings={"bus": {"interface": "slcan", "channel": "/dev/none"}, "silence_s": 1.0},
        units=({"period_s": 0.1}, {"period_s": 0.1, "seed": 1}),
        batteries=STACKS,
        identities=(Identity("Liftec", "BMS"), Identity("Liftec", "BMS")),
        truth=lambda bench: {
            "stack_voltage": bench.voltage,
            "cell_voltage_1": bench.voltage / 12,
            "temperature_1": 25.0,
        },
        spoilt={
            "wrong": "words 3",
            "late": "straggle 150",
            "half": "short 2",
            "noise": "zeros on",
            "double": "repeat 2",
            "lost": "lost 2",
        },
        said=(Said(orders=("body -12.5",), values={"temperature_1": -12.5}),),
    ),
    _ea("ea", {"model": "PS 2042-10B"}, Power(CC_CV)),
    _ea("ea-bidirectional", _PSB, Power(CC_CV, CC_CV)),
    _ea("ea-dual", _DUAL, Power(CC_CV), output=1),
    maker_of(
        "kel103",
        kel103.DRIVER,
        Kel103Driver,
        settings={"address": LINE},
        units=({"serial_number": "1"}, {"serial_number": "2"}),
        identities=(
            Identity("RS PRO", "RS-KEL103", "1"),
            Identity("RS PRO", "RS-KEL103", "2"),
        ),
        truth=poles,
        spoilt=spoilt_lines(0.2),
        stranger={"serial_number": "another"},
        said=(
            Said(
                ("+3.7e0V", "1.5E-01 A", "5.55e-1W", "CC"),
                values={"voltage": 3.7, "current": -0.15, "power": -0.555},
            ),
            Said(("3.7V", "-0.002A", "-0.0074 W", "CC"), values={"current": 0.002}),
            Said(("nanV",)),
        ),
        power=Power(discharging=CC_CV_CP, trips=True),
    ),
    _scpi(
        "scpi-source",
        scpi.SOURCE,
        SOURCE,
        Said(("+3.70E+00", "-1.5e-01"), values={"voltage": 3.7, "current": -0.15}),
        Power(CC_CV),
    ),
    _scpi(
        "scpi-load",
        scpi.LOAD,
        LOAD,
        Said(("+3.70E+00", "1.5e-01"), values={"voltage": 3.7, "current": -0.15}),
        Power(discharging=CC_CV_CP, holds_voltage=False, trips=True),
    ),
    maker_of(
        "scpi-meter",
        scpi.METER,
        ScpiMeter,
        settings={"address": LINE, **METER},
        units=(
            {**METER, "identity": "BEM,SIMULATED,1,0"},
            {**METER, "identity": "BEM,SIMULATED,2,0"},
        ),
        identities=(Identity("BEM", "SIMULATED", "1"), Identity("BEM", "SIMULATED", "2")),
        truth=lambda bench: {"meter_voltage": bench.voltage},
        spoilt=spoilt_lines(1.0),
        stranger={"serial_number": "another"},
        said=(
            Said(("-1.23450E-03",), values={"meter_voltage": -1.2345e-3}),
            Said(("NAN",)),
        ),
    ),
    maker_of(
        "bk2831",
        bk2831.DRIVER,
        Bk2831Driver,
        settings={"address": LINE},
        units=({"serial_number": "1"}, {"serial_number": "2"}),
        identities=(Identity("BK Precision", "2831E", "1"), Identity("BK Precision", "2831E", "2")),
        truth=lambda bench: {"voltage": bench.voltage},
        spoilt=spoilt_lines(1.0),
        stranger={"serial_number": "another"},
        said=(
            Said((":FETC?", "-1.23450e-03"), values={"voltage": -1.2345e-3}),
            Said((":FETC?", "nan")),
        ),
    ),
    maker_of(
        "flow",
        flow.DRIVER,
        FlowMeter,
        settings={"address": LINE},
        units=(
            {"device": "001", "flow": 4320.0, "flow_aux": 870.0},
            {"device": "002", "flow": 1000.0, "flow_aux": 500.0},
        ),
        identities=(Identity("", "FLOWmeter", "001"), Identity("", "FLOWmeter", "002")),
        on_for_s=1.0,
        truth=_flows,
        spoilt=spoilt_lines(0.5),
        stranger={"serial_number": "999"},
        # The firmware knows whole numbers only.
        said=(Said((":MEASure:FLOW:DATA:-10:0",)), Said((":MEASure:FLOW:DATA:1e3:0",))),
    ),
    Maker(
        name="source-and-load",
        spec=pair.DRIVER,
        put_up=_pair,
        settings=PAIR,
        identities=(Identity("BEM", "PAIR", "1"), Identity("BEM", "PAIR", "2")),
        truth=poles,
        spoilt=spoilt_lines(0.5),
        stranger={"source": _STRANGE_SIDE},
        said=(
            Said(("+3.70E+00", "1.5e-01"), values={"source_voltage": 3.7, "source_current": 0.15}),
            Said(("nan",)),
        ),
        power=Power(CC_CV, CC_CV_CP, holds_voltage=False),
    ),
)

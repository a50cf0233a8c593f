"""A TH2 as it behaves on the wire, with its first probe at a battery. Pure: no port, no clock.

Its answers are written down here once more, so that driver and simulator cannot agree on an error.
"""

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.simulation.spec import Place, SimulatorSpec

_KNOWN = "probe 1|2 DEGC|open|off"


class ThermoUnitSettings(BaseModel):
    """One simulated TH2."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    serial_number: str = Field(default="0042", pattern=r"^[^,\s]+$")
    room_degc: float = Field(
        default=21.0, ge=-50, le=100, description="what the second probe measures (degC)"
    )


class ThermoUnit:
    """A TH2 that is switched on at ``place.now_ns``."""

    def __init__(self, settings: ThermoUnitSettings, place: Place) -> None:
        self.settings = settings
        (self._terminals,) = place.terminals
        self._record = place.record
        self._instead: dict[int, float | None] = {}
        """What a probe measures whatever there is, ``None`` while it is not connected."""

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Answer a line; what it does not know it answers by ``ERR``."""
        self.advance(now_ns)
        match line.strip():
            case "ID?":
                return [f"TH2,{self.settings.serial_number},1.3"]
            case "TEMP?":
                told = ",".join(self._told(probe) for probe in (1, 2))
                self._record(now_ns, "answer", {"temperatures": told})
                return [told]
        return ["ERR"]

    def advance(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        self._terminals.advance(now_ns)

    def break_down(self, order: str, now_ns: int) -> None:
        """Obey an order.

        Raises:
            ValueError: there is no such order; the message says what there is.
        """
        match order.split():
            case ["probe", ("1" | "2") as probe, "off"]:
                self._instead.pop(int(probe), None)
            case ["probe", ("1" | "2") as probe, "open"]:
                self._instead[int(probe)] = None
            case ["probe", ("1" | "2") as probe, degc]:
                self._instead[int(probe)] = float(degc)
            case _:
                raise ValueError(f"no fault {order!r} of a TH2; there is: {_KNOWN}")
        self._record(now_ns, "fault", {"order": order})

    def _told(self, probe: int) -> str:
        true = self._terminals.temperature if probe == 1 else self.settings.room_degc
        degc = self._instead.get(probe, true)
        return "OPEN" if degc is None else f"{degc:.2f}"


SIMULATOR = SimulatorSpec(
    wire="line",
    settings=ThermoUnitSettings,
    make=ThermoUnit,
    orders={_KNOWN: "a probe measures this, or is not connected, whatever there is"},
)

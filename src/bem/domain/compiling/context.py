"""What the parts of the compiler share: for what they compile, and what speaks against it."""

from dataclasses import dataclass, field, replace

from bem.domain.battery import BatterySpec, Capacity, StationSpec
from bem.domain.profile.bounds import Bounds
from bem.domain.profile.model import Amperes, CRate, Limit, Node
from bem.domain.profile.printing import print_current
from bem.domain.profile.problems import Problem, Span

START = Span(line=1, column=1, end_column=1)
"""Where a problem stands that is of the whole."""


@dataclass(frozen=True, slots=True)
class Context:
    """Battery, station and bounds; what is not known is ``None``. Collects ``problems``."""

    battery: BatterySpec | None
    station: StationSpec | None
    capacity: Capacity | None
    bounds: Bounds
    problems: list[Problem] = field(default_factory=list)

    def within(self, limits: tuple[Limit, ...], owner: str) -> "Context":
        """Get the context of what must keep these limits too; its problems go to the same list."""
        return replace(self, bounds=self.bounds.tightened(limits, owner)) if limits else self

    def report(
        self,
        node: Node | Span | None,
        message: str,
        *,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
    ) -> None:
        """Note a problem where the node stands."""
        span = node.source if isinstance(node, Node) else node
        self.problems.append(
            Problem.at(span or START, message, expected=expected, suggestion=suggestion)
        )

    def amperes(self, current: Amperes | CRate) -> float | None:
        """Get a current in A; ``None`` where that is not known, with a problem if it should be."""
        if isinstance(current, Amperes):
            return current.value
        rate = self.ampere_per_c(current, print_current(current))
        return None if rate is None else current.value * rate

    def ampere_per_c(self, node: Node | Span | None, shown: str) -> float | None:
        """Get what 1C is in A; ``None`` as with :meth:`amperes`."""
        if self.capacity is not None:
            return self.capacity.value
        if self.battery is not None:
            self.report(
                node,
                f"{shown} needs the capacity of the battery '{self.battery.name}', which is not "
                "known: give the battery a capacity, or write the current in A",
                expected=("a current such as 1.5 A",),
            )
        return None

    def lacks_channel(self, start: str) -> bool:
        """Whether the station is known to read no channel whose name begins so."""
        known = None if self.station is None else self.station.channels
        return known is not None and not any(name.startswith(start) for name in known)

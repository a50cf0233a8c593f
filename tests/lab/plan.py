"""Which machines a laboratory has: a small file beside each scenario. Pure.

``laboratory.yml``::

    suite: bookworm          # or trixie, noble, sid; server_suite and node_suite set one
    servers: 1               # or 3, a cluster
    nodes: 2
    offline_nodes: false     # true: nodes reach the servers and nothing else
    packages: []             # Debian packages that are in every machine from the beginning
    variables: {}            # Ansible variables of all machines
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

SUITES = ("bookworm", "trixie", "noble", "sid")
FIRST_SERVER = 10
FIRST_NODE = 21
MOST_NODES = 20
SERVER_COUNTS = (1, 3)


class PlanError(ValueError):
    """The plan cannot be followed. The message names the key, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Place:
    """One machine of a plan. ``octet``: the last part of its address."""

    name: str
    group: str
    octet: int
    suite: str
    online: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Which machines there are and what Ansible is told of all of them."""

    servers: int = 1
    nodes: int = 2
    server_suite: str = "bookworm"
    node_suite: str = "bookworm"
    offline_nodes: bool = False
    packages: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.servers not in SERVER_COUNTS:
            raise PlanError(f"servers: {self.servers}: one, or three for a cluster")
        if not 0 <= self.nodes <= MOST_NODES:
            raise PlanError(f"nodes: {self.nodes}: 0 to {MOST_NODES}")
        for key, suite in (("server_suite", self.server_suite), ("node_suite", self.node_suite)):
            if suite not in SUITES:
                raise PlanError(f"{key}: {suite}: one of {', '.join(SUITES)}")

    def places(self) -> tuple[Place, ...]:
        """Lay the machines out: servers at .10 and on, nodes at .21 and on."""
        names = ["bem-server", "bem-server-2", "bem-server-3"][: self.servers]
        servers = [
            Place(name, "server", FIRST_SERVER + number, self.server_suite, True)
            for number, name in enumerate(names)
        ]
        nodes = [
            Place(
                f"cycler-{number + 1}",
                "nodes",
                FIRST_NODE + number,
                self.node_suite,
                not self.offline_nodes,
            )
            for number in range(self.nodes)
        ]
        return (*servers, *nodes)

    def as_dict(self) -> dict[str, Any]:
        """Get what :func:`read_plan` takes."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return found | {"packages": list(self.packages), "variables": dict(self.variables)}


def read_plan(raw: object) -> Plan:
    """Read a plan from what its file says.

    Raises:
        PlanError: a key is unknown or a value is none that can be followed.
    """
    if not isinstance(raw, dict | None):
        raise PlanError("a plan is a mapping of keys to values; see tests/lab/plan.py")
    given: dict[str, Any] = dict(raw or {})
    suite = given.pop("suite", "bookworm")
    known = {one.name for one in fields(Plan)}
    if unknown := sorted(set(given) - known):
        raise PlanError(f"{', '.join(unknown)}: unknown; known are {', '.join(sorted(known))}")
    given["packages"] = tuple(given.get("packages") or ())
    given["variables"] = given.get("variables") or {}
    return Plan(**{"server_suite": suite, "node_suite": suite} | given)

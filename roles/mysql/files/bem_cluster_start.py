#!/usr/bin/python3
"""Decide, before the database of a cluster starts, whether it joins the others or begins anew.

If the database of another server already answers, this one joins. If none does, each server tells
the others how new its data is; the one with the newest begins, and the others join it. After a
power cut of all servers this needs all of them: one that is missing may have the newest data. A
server that was the last to stop in good order knows it, and begins at once.
"""

import argparse
import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

POSITION = re.compile(r"wsrep_start_position=([0-9a-f-]{36}):(-?\d+)")
SAFE = re.compile(r"^safe_to_bootstrap:\s*([01])", re.MULTILINE)
NEW_CLUSTER = "_WSREP_NEW_CLUSTER"
ANSWER_BYTES = 4096
RECOVERY = "/usr/bin/galera_recovery"


@dataclass(frozen=True)
class State:
    """How new the data of one server is. ``seqno`` is -1 if it was never part of the cluster."""

    seqno: int
    has_database: bool
    last_to_stop: bool


def chosen(states: dict[str, State], order: list[str]) -> str:
    """The server that begins: the newest data, then any data at all, then the first in the list."""
    return max(
        order,
        key=lambda name: (states[name].seqno, states[name].has_database, -order.index(name)),
    )


def own_state(data_dir: Path, database: str, recovered: str) -> State | None:
    """Read what the database's own recovery run found; None if it runs without a cluster."""
    position = POSITION.search(recovered)
    if position is None:
        return None
    try:
        grastate = (data_dir / "grastate.dat").read_text()
    except FileNotFoundError:
        grastate = ""
    safe = SAFE.search(grastate)
    seqno = int(position[2])
    return State(
        seqno=seqno,
        has_database=(data_dir / database).is_dir(),
        last_to_stop=seqno >= 0 and safe is not None and safe[1] == "1",
    )


def answers(address: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def ask(address: str, port: int) -> State | None:
    """The state of another server that is deciding too; None if it is not."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return State(**json.loads(connection.recv(ANSWER_BYTES)))
    except (OSError, ValueError, TypeError):
        return None


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _serve(address: str, port: int, state: State) -> _Server:
    text = json.dumps(asdict(state)).encode()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(text)

    server = _Server((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def decide(
    own: str, others: list[str], order: list[str], state: State, ports: tuple[int, int], wait_s: int
) -> str:
    """Wait until it is known who begins; return why this server begins, or "" if it joins."""
    replication, boot = ports
    server = _serve(own, boot, state)
    told: set[str] | None = None
    try:
        while True:
            if any(answers(other, replication) for other in others):
                return ""
            if state.last_to_stop:
                return "it was the last to stop"
            known = {other: found for other in others if (found := ask(other, boot))}
            if len(known) == len(others) and chosen({**known, own: state}, order) == own:
                return f"its data is the newest of all (position {state.seqno})"
            missing = {other for other in others if other not in known}
            if missing != told and missing:
                _say(
                    f"position {state.seqno}; waiting for {', '.join(sorted(missing))}, "
                    "whose data may be newer"
                )
            told = missing
            time.sleep(wait_s)
    finally:
        server.shutdown()
        server.server_close()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _systemctl(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603 - fixed program, no shell
        ["/usr/bin/systemctl", *arguments], capture_output=True, text=True, check=True
    ).stdout


def main() -> int:
    """Decide, and tell systemd how the database is to be started."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--own", required=True)
    parser.add_argument("--server", action="append", required=True, dest="servers")
    parser.add_argument("--replication-port", type=int, required=True)
    parser.add_argument("--boot-port", type=int, required=True)
    parser.add_argument("--wait-s", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--data-dir", type=Path, default=Path("/var/lib/mysql"))
    given = parser.parse_args()
    others = [name for name in given.servers if name != given.own]
    _systemctl("unset-environment", NEW_CLUSTER)
    recovered = subprocess.run(  # noqa: S603 - fixed program, no shell
        [RECOVERY], capture_output=True, text=True, check=False,
        user="mysql", group="mysql", extra_groups=[],
    )  # fmt: skip
    if recovered.returncode != 0:
        _say(f"the database cannot find its position: {recovered.stderr.strip()}")
        return 1
    state = own_state(given.data_dir, given.database, recovered.stdout)
    if state is None:
        _say("the settings of the cluster are not there yet: this server starts alone")
        return 0
    why = decide(
        given.own, others, given.servers, state,
        (given.replication_port, given.boot_port), given.wait_s,
    )  # fmt: skip
    if not why:
        _say("another server is there: this one joins it")
        return 0
    _say(f"this server begins the cluster: {why}")
    grastate = given.data_dir / "grastate.dat"
    if grastate.exists():
        # The database refuses to begin otherwise; the decision was made above.
        grastate.write_text(SAFE.sub("safe_to_bootstrap: 1", grastate.read_text()))
    _systemctl("set-environment", f"{NEW_CLUSTER}=--wsrep-new-cluster")
    return 0


if __name__ == "__main__":
    sys.exit(main())

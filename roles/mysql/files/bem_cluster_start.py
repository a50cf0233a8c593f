#!/usr/bin/python3
"""Decide, before the database of a cluster starts, whether it joins the others or begins anew.

If the database of another server already answers, this one joins. If none does, each server tells
the others how new its data is; the one with the newest begins, and the others join it. After a
power cut of all servers this needs all of them: one that is missing may have the newest data. A
server that was the last to stop in good order knows it, and begins at once.

A database that fails to catch up with the others goes on running, apart from them, and takes no
request until it is started again. ``joined`` (after the start) and ``watch`` (from a timer) see to
that.
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
PATIENCE = 5
"""How many looks in a row a database may be found apart from the others."""
CLIENT = "/usr/bin/mariadb"
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


def status(name: str, socket_path: Path, what: str = "STATUS") -> str:
    """One value of the running database's own report; "" if it does not answer."""
    answer = subprocess.run(  # noqa: S603 - fixed program, no shell
        [CLIENT, "--no-defaults", f"--socket={socket_path}", "--user=root", "--batch",
         "--skip-column-names", f"--execute=SHOW {what} LIKE '{name}'"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return answer.stdout.partition("\t")[2].strip()


def alone(socket_path: Path) -> bool:
    """Whether the database has not been made part of a cluster yet; it is not connected then."""
    return status("wsrep_on", socket_path, "VARIABLES") == "OFF"


def joined(socket_path: Path, wait_s: int) -> int:
    """Wait until this server has all data; 1 if it was left behind and must start again."""
    if alone(socket_path):
        return 0
    while True:
        if status("wsrep_connected", socket_path) == "OFF":
            _say("the database could not catch up with the others: it starts again")
            return 1
        if status("wsrep_local_state_comment", socket_path) == "Synced":
            return 0
        time.sleep(wait_s)


def watch(socket_path: Path, wait_s: int) -> int:
    """Start a database anew that runs apart from the others for good.

    One that was left without a majority could not take the others back: they come with new names.
    Started anew, it tells them how new its data is, and the newest of all begins.
    """
    if alone(socket_path):
        return 0
    for _ in range(PATIENCE):
        if status("wsrep_connected", socket_path) != "OFF" and (
            status("wsrep_cluster_status", socket_path) in ("Primary", "")
        ):
            return 0
        time.sleep(wait_s)
    _say("the database is apart from the cluster: it starts again")
    _systemctl("--no-block", "try-restart", "mariadb.service")
    return 0


def main() -> int:
    """Run one of the three commands; the exit code is for systemd."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--socket", type=Path, default=Path("/run/mysqld/mysqld.sock"))
    parser.add_argument("--wait-s", type=int, default=2)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("joined")
    commands.add_parser("watch")
    start = commands.add_parser("start")
    start.add_argument("--own", required=True)
    start.add_argument("--server", action="append", required=True, dest="servers")
    start.add_argument("--replication-port", type=int, required=True)
    start.add_argument("--boot-port", type=int, required=True)
    start.add_argument("--database", required=True)
    start.add_argument("--data-dir", type=Path, default=Path("/var/lib/mysql"))
    given = parser.parse_args()
    if given.command == "joined":
        return joined(given.socket, given.wait_s)
    if given.command == "watch":
        return watch(given.socket, given.wait_s)
    return prepare_start(given)


def prepare_start(given: argparse.Namespace) -> int:
    """Decide, and tell systemd how the database is to be started."""
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

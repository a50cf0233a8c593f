"""Judges what machines have answered, for playbooks/check.yml: rows of one table of health.

Every function here is pure: it gets what a command wrote, and what time it is, and gives rows. The
playbooks only ask and hand over.
"""

import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "WRONG"]
"""``ok``: as it should be. ``note``: works, but somebody should look at it soon. ``WRONG``: does
not work."""

DISK_NOTE_PERCENT = 85
DISK_WRONG_PERCENT = 95
CLOCK_WRONG_MS = 500.0
"""How far a machine may be from the time servers."""
NODE_CLOCK_WRONG_S = 2.0
"""How far a node may be from the server, as the manager has measured it."""
CERTIFICATE_NOTE_DAYS = 28
_HOUR_S = 3600
_DAY_S = 86400
_MIB = 1048576
_ENDS = ("bem-admin", "bem-run")
"""Units that a person has called and that end by themselves."""
_IS_WELL = ("idle", "running")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    state: State
    remark: str = ""


Answer = Mapping[str, Any]
"""What a task of Ansible has registered: ``rc``, ``stdout``, ``stderr`` of a command."""


def units(shown: str) -> Iterator[Row]:
    """Judge units by ``systemctl show``: a paragraph for each, ``Name=value`` a line."""
    for paragraph in shown.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        if unit.get("LoadState") == "loaded":
            yield _unit(unit)


def _unit(unit: Mapping[str, str]) -> Row:
    name, active = unit["Id"], unit["ActiveState"]
    # A job is well when it has ended; everything else has to run.
    lasting = unit.get("Type", "simple") != "oneshot" and not name.startswith(_ENDS)
    wrong = active == "failed" or (lasting and active != "active")
    restarts = int(unit.get("NRestarts") or 0)
    result = unit.get("Result") or "success"
    remark = [active if result == "success" else f"{active} ({result})"]
    if unit.get("StatusText"):
        remark.append(unit["StatusText"])
    if restarts:
        remark.append(f"restarted by itself {restarts} times since it was started")
    if wrong:
        remark.append(f'see "journalctl -u {name}"')
    noteworthy = restarts > 0 or active == "activating"
    return Row(name, "WRONG" if wrong else "note" if noteworthy else "ok", "; ".join(remark))


def disks(listed: str) -> Iterator[Row]:
    """Judge file systems by ``df --output=target,pcent,avail --block-size=1M``."""
    for line in dict.fromkeys(listed.splitlines()[1:]):
        target, percent, free = line.rsplit(maxsplit=2)
        used = int(percent.rstrip("%"))
        remark = f"{used} % used, {free} MB free"
        if used >= DISK_NOTE_PERCENT:
            remark += "; remove old backups or journals, or give it a larger disk"
        wrong, note = used >= DISK_WRONG_PERCENT, used >= DISK_NOTE_PERCENT
        yield Row(f"disk {target}", "WRONG" if wrong else "note" if note else "ok", remark)


def clock(tracking: Answer, in_container: bool) -> Iterator[Row]:
    """Judge the clock by ``chronyc -c tracking``; a container has no clock of its own."""
    if tracking["rc"] != 0:
        if in_container:
            yield Row("clock", "ok", "kept by the host of this container")
        else:
            yield Row("clock", "WRONG", f"chrony does not answer: {tracking['stderr']}")
        return
    fields = tracking["stdout"].strip().split(",")
    off_ms = round(abs(float(fields[4])) * 1000, 1)
    alone = fields[13] == "Not synchronised"
    remark = (
        'no time server answers; see "chronyc sources"'
        if alone
        else f"{off_ms} ms off by {fields[1]}"
    )
    yield Row("clock", "WRONG" if off_ms > CLOCK_WRONG_MS else "note" if alone else "ok", remark)


def certificates(ends: Iterable[Answer], now_s: float) -> Iterator[Row]:
    """Judge certificates by ``openssl x509 -enddate``; ``item`` of each answer is its path.

    ``now_s`` are seconds since 1970.
    """
    for answer in ends:
        end = " ".join(answer["stdout"].removeprefix("notAfter=").split())
        # Unlike strptime it reads English months wherever the controller stands.
        days = (ssl.cert_time_to_seconds(end) - now_s) / _DAY_S
        what = f"certificate {answer['item'].replace('/etc/', '', 1)}"
        if days <= 0:
            yield Row(what, "WRONG", f"ended {end}; run site.yml")
        elif days < CERTIFICATE_NOTE_DAYS:
            yield Row(what, "note", f"{int(days)} days left; run site.yml, which renews it")
        else:
            yield Row(what, "ok", f"{int(days)} days left")


def backups(files: Sequence[Mapping[str, Any]], now_s: float, max_age_h: float) -> Iterator[Row]:
    """Judge the newest of the backups by ``mtime`` in seconds since 1970; ``size`` in bytes."""
    if not files:
        yield Row("newest backup", "note", "there is none yet: run playbooks/backup.yml")
        return
    newest = max(files, key=lambda file: float(file["mtime"]))
    hours = round((now_s - float(newest["mtime"])) / _HOUR_S, 1)
    old = hours > float(max_age_h)
    remark = f"{hours} hours old, {round(newest['size'] / _MIB, 1)} MB"
    if old:
        remark += '; see "journalctl -u bem-backup"'
    yield Row("newest backup", "WRONG" if old else "ok", remark)


def nodes(laboratory: Answer, inventory: Iterable[str]) -> Iterator[Row]:
    """Judge nodes by what the manager has seen, JSON as files/laboratory.py writes it.

    ``inventory`` names the nodes that ought to be there.
    """
    if laboratory["rc"] != 0:
        yield Row("nodes", "WRONG", f"the database could not be asked: {_last_words(laboratory)}")
        return
    seen = json.loads(laboratory["stdout"])
    wanted = list(inventory)
    for name in dict.fromkeys([*wanted, *seen]):
        if name in seen:
            yield _node(name, seen[name], known=name in wanted)
        else:
            yield Row(f"node {name}", "WRONG", "the manager has never heard of it: run site.yml")


def _node(name: str, node: Mapping[str, Any], *, known: bool) -> Row:
    off_s = abs(float(node["clock_offset_s"]))
    remark = [
        "online" if node["online"] else f"offline since {node['last_seen']}",
        f"release {node['version']}",
        f"{len(node['stations'])} stations",
        f"{node['unsent_samples']} samples to come",
        f"clock {round(off_s * 1000)} ms off",
    ]
    wrong = off_s > NODE_CLOCK_WRONG_S if node["online"] else known
    text = ", ".join(remark)
    if not known:
        text += "; it is not in the inventory: playbooks/remove-node.yml forgets it"
    return Row(f"node {name}", "WRONG" if wrong else "ok" if known else "note", text)


def stations(listed: Answer) -> Iterator[Row]:
    """Judge the stations of a node by ``bem stations --json``."""
    # It ends with another code than 0 when one of them is not well; the list is there all the same.
    if not listed.get("stdout", "").startswith("["):
        yield Row("stations", "WRONG", f"could not be asked: {_last_words(listed)}")
        return
    for station in json.loads(listed["stdout"]):
        remark = ": ".join(filter(None, (station["state"], station.get("reason"))))
        well = station["state"] in _IS_WELL
        yield Row(f"station {station['id']}", "ok" if well else "WRONG", remark)


def role(name: str, failure: str | None = None) -> Iterator[Row]:
    """Say that a role is well, or what its verification has found."""
    yield Row(f"role {name}", "ok" if failure is None else "WRONG", failure or "")


def _last_words(answer: Answer) -> str:
    lines = str(answer.get("stderr", "")).strip().splitlines()
    return lines[-1] if lines else "no message"


HostRow = Mapping[str, str]
"""A row as plain values, with the ``host`` that it is about."""


def gathered(
    hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Gather the rows (``check_rows``) of all hosts; one that has none was not reached."""
    missed = Row(
        "machine",
        "WRONG",
        "not reached, or not asked to the end: see above; is it on, and is its cable in?",
    )
    return [
        {"host": host, **row}
        for host in dict.fromkeys(hosts)
        for row in variables[host].get("check_rows") or [asdict(missed)]
    ]


def table(rows: Iterable[HostRow]) -> str:
    """Lay rows out as text, a line each below the headings."""
    lines = [("host", "what", "state", "remark")]
    lines += [
        (row["host"], row["what"], row["state"], " ".join(row["remark"].split())) for row in rows
    ]
    hosts, whats = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(
        f"{host:<{hosts}}  {what:<{whats}}  {state:<5}  {remark}".rstrip()
        for host, what, state, remark in lines
    )


def wrong(rows: Sequence[HostRow]) -> str:
    """Say in one sentence what does not work; empty if all works."""
    found = [f"{row['host']} {row['what']}" for row in rows if row["state"] == "WRONG"]
    if not found:
        return ""
    count = f"{len(found)} of {len(rows)} {'is' if len(found) == 1 else 'are'} wrong"
    return f"{count}: {', '.join(found)}. Their remarks above say what to do."


def _plain(judge: Callable[..., Iterator[Row]]) -> Callable[..., list[dict[str, str]]]:
    """Have a function give what Ansible keeps as a fact: plain lists and mappings."""
    return lambda *given, **named: [asdict(row) for row in judge(*given, **named)]


class FilterModule:
    """The filters ``health_units``, ``health_disks`` and so on, as Ansible looks for them."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Get all filters by name."""
        judges = (units, disks, clock, certificates, backups, nodes, stations, role)
        found: dict[str, Callable[..., object]] = {
            f"health_{judge.__name__}": _plain(judge) for judge in judges
        }
        return found | {
            "health_gathered": gathered,
            "health_table": table,
            "health_wrong": wrong,
        }

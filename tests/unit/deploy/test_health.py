"""How playbooks/check.yml judges what machines have answered."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from playbooks.filter_plugins import health

NOW_S = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def unit(**changed: str) -> str:
    found = {
        "Type": "notify",
        "NRestarts": "0",
        "Result": "success",
        "Id": "bem-web.service",
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "StatusText": "",
    } | changed
    return "\n".join(f"{name}={text}" for name, text in found.items())


@pytest.mark.parametrize(
    ("changed", "state", "remark"),
    [
        ({}, "ok", "active"),
        ({"StatusText": "2 of a=b"}, "ok", "active; 2 of a=b"),
        ({"NRestarts": "3"}, "note", "active; restarted by itself 3 times since it was started"),
        ({"ActiveState": "activating"}, "WRONG", 'activating; see "journalctl -u bem-web.service"'),
        (
            {"ActiveState": "failed", "Result": "exit-code"},
            "WRONG",
            'failed (exit-code); see "journalctl -u bem-web.service"',
        ),
        ({"ActiveState": "inactive"}, "WRONG", 'inactive; see "journalctl -u bem-web.service"'),
        ({"ActiveState": "inactive", "Type": "oneshot"}, "ok", "inactive"),
        ({"ActiveState": "activating", "Type": "oneshot"}, "note", "activating"),
        (
            {"ActiveState": "failed", "Type": "oneshot", "Result": "timeout"},
            "WRONG",
            'failed (timeout); see "journalctl -u bem-web.service"',
        ),
    ],
)
def test_units(changed: dict[str, str], state: health.State, remark: str) -> None:
    assert list(health.units(unit(**changed))) == [health.Row("bem-web.service", state, remark)]


def test_a_unit_without_type_or_restarts_is_a_target_and_has_to_be_active() -> None:
    shown = "Id=bem-node.target\nLoadState=loaded\nActiveState=inactive\nSubState=dead"

    assert [row.state for row in health.units(shown)] == ["WRONG"]


def test_units_that_are_not_there_or_that_a_person_has_called_are_no_fault() -> None:
    shown = "\n\n".join(
        [
            unit(Id="bem-gone.service", LoadState="not-found", ActiveState="inactive"),
            unit(Id="bem-admin-7.service", ActiveState="deactivating"),
            unit(Id="bem-node.service"),
        ]
    )

    found = [(row.what, row.state) for row in health.units(f"{shown}\n")]
    assert found == [("bem-admin-7.service", "ok"), ("bem-node.service", "ok")]


def test_no_units() -> None:
    assert list(health.units("")) == []


@pytest.mark.parametrize(
    ("used", "state"), [(84, "ok"), (85, "note"), (94, "note"), (95, "WRONG"), (100, "WRONG")]
)
def test_disks(used: int, state: str) -> None:
    [row] = health.disks(f"Mounted on    Use%   Avail\n/             {used}%    1200")

    assert (row.what, row.state) == ("disk /", state)
    assert row.remark.startswith(f"{used} % used, 1200 MB free")
    assert ("remove old backups" in row.remark) == (state != "ok")


def test_one_file_system_is_told_once_and_may_have_a_space_in_its_name() -> None:
    listed = "Mounted on Use% Avail\n/ 9% 10\n/ 9% 10\n/media/my disk 3% 7\n"

    assert [row.what for row in health.disks(listed)] == ["disk /", "disk /media/my disk"]


def tracking(offset_s: float, leap: str = "Normal") -> dict[str, Any]:
    text = f"C0A80001,ntp.example,3,1772366400.1,{offset_s},0,0,0,0,0,0,0,0,{leap}\n"
    return {"rc": 0, "stdout": text, "stderr": ""}


@pytest.mark.parametrize(
    ("answer", "in_container", "state", "remark"),
    [
        (tracking(-0.0012), False, "ok", "1.2 ms off by ntp.example"),
        (tracking(0.51), False, "WRONG", "510.0 ms off by ntp.example"),
        (
            tracking(0.0, "Not synchronised"),
            False,
            "note",
            'no time server answers; see "chronyc sources"',
        ),
        (
            {"rc": 1, "stdout": "", "stderr": "506 Cannot talk to daemon"},
            False,
            "WRONG",
            "chrony does not answer: 506 Cannot talk to daemon",
        ),
        ({"rc": 1, "stderr": "506"}, True, "ok", "kept by the host of this container"),
    ],
)
def test_clock(
    answer: dict[str, Any], in_container: bool, state: health.State, remark: str
) -> None:
    assert list(health.clock(answer, in_container)) == [health.Row("clock", state, remark)]


@pytest.mark.parametrize(
    ("end", "state", "remark"),
    [
        ("Mar 29 12:00:00 2026 GMT", "ok", "28 days left"),
        ("Mar 29 11:59:59 2026 GMT", "note", "27 days left; run site.yml, which renews it"),
        (
            "Mar  1 12:00:00 2026 GMT",
            "WRONG",
            "ended Mar 1 12:00:00 2026 GMT; run site.yml",
        ),
    ],
)
def test_certificates(end: str, state: health.State, remark: str) -> None:
    answer = {"item": "/etc/bem/web.pem", "stdout": f"notAfter={end}"}

    [row] = health.certificates([answer], NOW_S)

    assert row == health.Row("certificate bem/web.pem", state, remark)


def test_backups_are_judged_by_the_newest() -> None:
    files = [
        {"mtime": NOW_S - 80 * 3600, "size": 1},
        {"mtime": NOW_S - 50 * 3600, "size": 3 * 1048576},
    ]

    assert list(health.backups(files, NOW_S, 50)) == [
        health.Row("newest backup", "ok", "50.0 hours old, 3.0 MB")
    ]
    [old] = health.backups(files, NOW_S, 49.9)
    assert (old.state, old.remark.rpartition("; ")[2]) == (
        "WRONG",
        'see "journalctl -u bem-backup"',
    )


def test_no_backup_yet_is_a_note() -> None:
    assert [row.state for row in health.backups([], NOW_S, 50)] == ["note"]


def node(**changed: object) -> dict[str, object]:
    return {
        "online": True,
        "last_seen": "2026-03-01T11:00:00+00:00",
        "clock_offset_s": -0.0034,
        "unsent_samples": 0,
        "version": "1.2.0",
        "stations": {"EPC 1": "idle"},
    } | changed


@pytest.mark.parametrize(
    ("found", "inventory", "state"),
    [
        (node(), ["n"], "ok"),
        (node(), [], "note"),
        (node(online=False), ["n"], "WRONG"),
        (node(online=False), [], "note"),
        (node(clock_offset_s=-2.1), ["n"], "WRONG"),
        (node(clock_offset_s=2.0), ["n"], "ok"),
    ],
)
def test_nodes(found: dict[str, object], inventory: list[str], state: str) -> None:
    [row] = health.nodes({"rc": 0, "stdout": json.dumps({"n": found})}, inventory)

    assert (row.what, row.state) == ("node n", state)
    assert ("remove-node.yml" in row.remark) == (inventory == [])


def test_what_is_said_of_a_node() -> None:
    [row] = health.nodes({"rc": 0, "stdout": json.dumps({"n": node()})}, ["n"])

    assert row.remark == "online, release 1.2.0, 1 stations, 0 samples to come, clock 3 ms off"
    [row] = health.nodes({"rc": 0, "stdout": json.dumps({"n": node(online=False)})}, ["n"])
    assert row.remark.startswith("offline since 2026-03-01T11:00:00+00:00, ")


def test_a_node_that_the_manager_has_never_heard_of() -> None:
    [row] = health.nodes({"rc": 0, "stdout": "{}"}, ["n"])

    assert row == health.Row("node n", "WRONG", "the manager has never heard of it: run site.yml")


def test_nodes_when_the_database_is_away() -> None:
    [row] = health.nodes({"rc": 1, "stdout": "", "stderr": "Trace\nno server\n"}, ["n"])

    assert row == health.Row("nodes", "WRONG", "the database could not be asked: no server")


def test_stations() -> None:
    listed = [
        {"id": "a", "state": "idle", "reason": ""},
        {"id": "b", "state": "running", "reason": None},
        {"id": "c", "state": "fault", "reason": "too hot"},
        {"id": "d", "state": "silent"},
    ]

    assert list(health.stations({"rc": 1, "stdout": json.dumps(listed)})) == [
        health.Row("station a", "ok", "idle"),
        health.Row("station b", "ok", "running"),
        health.Row("station c", "WRONG", "fault: too hot"),
        health.Row("station d", "WRONG", "silent"),
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [({"rc": 2, "stdout": "", "stderr": "a\nb"}, "b"), ({"rc": 2}, "no message")],
)
def test_stations_that_cannot_be_asked(answer: dict[str, Any], why: str) -> None:
    [row] = health.stations(answer)

    assert row == health.Row("stations", "WRONG", f"could not be asked: {why}")


def test_roles() -> None:
    assert list(health.role("web")) == [health.Row("role web", "ok")]
    assert list(health.role("web", "is away")) == [health.Row("role web", "WRONG", "is away")]


def rows() -> list[dict[str, str]]:
    variables = {
        "one": {"check_rows": [{"what": "clock", "state": "note", "remark": "a\n  b "}]},
        "cycler-2": {},
    }
    found: list[dict[str, str]] = health.gathered(["one", "cycler-2", "one"], variables)
    return found


def test_a_host_that_was_not_reached_has_a_row_and_each_host_is_told_once() -> None:
    assert [(row["host"], row["what"], row["state"]) for row in rows()] == [
        ("one", "clock", "note"),
        ("cycler-2", "machine", "WRONG"),
    ]


def test_table() -> None:
    assert health.table(rows()[:1]).splitlines() == [
        "host  what   state  remark",
        "one   clock  note   a b",
    ]
    assert health.table([]) == "host  what  state  remark"


def test_sentence_about_what_is_wrong() -> None:
    assert health.wrong(rows()) == (
        "1 of 2 is wrong: cycler-2 machine. Their remarks above say what to do."
    )
    assert health.wrong(rows()[:1]) == ""


def test_filters_give_plain_values() -> None:
    filters = health.FilterModule().filters()

    assert filters["health_role"]("web") == [{"what": "role web", "state": "ok", "remark": ""}]

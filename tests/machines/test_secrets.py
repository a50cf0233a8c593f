"""Secrets are changed while everything runs: nobody at a page, no station and no sample notices.

The tests follow each other. The last takes a node out of the laboratory.
"""

import itertools
import uuid
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from tests.lab.asking import Asking, asking
from tests.lab.controller import Controller, changed
from tests.lab.machines import Lab, Machine
from tests.lab.shell import LabError
from tests.lab.visit import Guest, wait_for

ROTATE = "playbooks/rotate-secrets.yml"
PAGES = {"/experiments/": "/sign-out/", "/healthz": '"database": "ok"'}
"""A page for those signed in, and one for everybody; what each holds."""
PER_SECOND = 10.0
LONG = "Charge at C/20 for 60 minutes    record every 100 ms"
PERIODS_S = 0.35
"""A period is 100 ms; the machine is shared, so one may be late, but none may be missing."""
STATION = "bem-station@epc-1.service"

Record = Callable[[str, object], None]


@pytest.fixture
def vault(controller: Controller) -> dict[str, str]:
    """What is in the vault as the test begins: the test before has changed it."""
    return controller.secrets()


@pytest.fixture
def node(lab: Lab) -> Machine:
    return lab.machine("cycler-1")


def begin(guest: Guest, name: str) -> str:
    guest.sign_in()
    station = guest.idle_station("EPC 1", 90)
    experiment = guest.queue(station, LONG, name)
    guest.wait_until(experiment, "Running", 60)
    wait_for(lambda: len(guest.samples(experiment)) > 20, 30, "samples")
    return experiment


def end(guest: Guest, experiment: str) -> None:
    guest.visitor.submit(experiment, {"note": ""}, action=f"{experiment}stop/")
    guest.wait_until(experiment, "Stopped", 60)
    times = [float(row["Test Time / s"]) for row in guest.samples(experiment)]
    assert len(times) > 50
    assert [(a, b) for a, b in itertools.pairwise(times) if not 0 < b - a < PERIODS_S] == []


def asked(found: Asking, record: Record) -> None:
    record("requests", len(found.answers))
    record("longest_s", round(found.longest_s(), 2))
    assert [(one.path, one.status, one.text[:200]) for one in found.failed(PAGES)] == []


def all_is_well(controller: Controller) -> None:
    controller.play("playbooks/check.yml")
    assert changed(controller.said("site.yml")) == []


def database_lets_in(server: Machine, account: str, password: str) -> bool:
    client = "$(command -v mariadb || command -v mysql)"
    options = f"[client]\nuser={account}\npassword={password}\n"
    try:
        server.run(f"{client} --defaults-file=/dev/stdin -e 'SELECT 1'", options)
    except LabError as error:
        if "Access denied" not in str(error):
            raise
        return False
    return True


def broker_lets_in(server: Machine, authority: Path, account: str, password: str) -> bool:
    answers: list[ReasonCode] = []
    # Its client id is one of the account's own: else it is refused for that.
    name = f"bem-{account}-{uuid.uuid4().hex}" if account == "web" else f"bem-{account}"
    client = mqtt.Client(CallbackAPIVersion.VERSION2, f"{name}_{uuid.uuid4().hex[:8]}")
    client.on_connect = lambda *given: answers.append(given[3])
    client.tls_set(str(authority))
    client.username_pw_set(account, password)
    client.connect(server.address, 8883)
    client.loop_start()
    try:
        [answer, *_] = wait_for(lambda: answers, 30, f"answer of the broker to {account}")
    finally:
        client.disconnect()
        client.loop_stop()
    return not answer.is_failure


def accounts(vault: dict[str, str]) -> dict[str, str]:
    """Accounts of the broker and their passwords."""
    nodes = "rabbitmq_node_passwords."
    return {
        "web": vault["rabbitmq_web_password"],
        "manager": vault["rabbitmq_manager_password"],
    } | {
        f"node-{name.removeprefix(nodes)}": text
        for name, text in vault.items()
        if name.startswith(nodes)
    }


def test_all_secrets_change_while_everything_runs(
    controller: Controller,
    server: Machine,
    node: Machine,
    guest: Guest,
    vault: dict[str, str],
    authority: Path,
    tmp_path: Path,
    record_property: Record,
) -> None:
    experiment = begin(guest, "All secrets")
    process = node.run(f"systemctl show -P MainPID {STATION}")
    cookies = {one.name: one.value or "" for one in guest.visitor.cookies}

    trusted = server.root / "etc/bem/ca.pem"
    with asking(server.address, trusted, tuple(PAGES), PER_SECOND, cookies) as found:
        controller.play(ROTATE, "--extra-vars=rotate=all")
    asked(found, record_property)

    now = controller.secrets()
    kept = {name for name, text in vault.items() if text and now[name] == text}
    assert kept == {"web_admin_password"}
    assert now["web_secret_key_previous"] == vault["web_secret_key"]
    with pytest.raises(AssertionError, match="CERTIFICATE_VERIFY_FAILED"):
        wait_for(lambda: guest.visitor.get("/healthz"), 1, "page that the old authority signed")
    successor = tmp_path / "successor.pem"
    successor.write_text(now["pki_ca_certificate"], encoding="ascii")
    assert trusted.read_text(encoding="ascii").strip() == now["pki_ca_certificate"].strip()

    # Who was signed in still is.
    guest.trust_also(successor)
    assert node.run(f"systemctl show -P MainPID {STATION}") == process
    assert "Running" in guest.states(experiment)
    end(guest, experiment)

    for account in ("web", "manager", "migrate", "backup"):
        name = f"mysql_{account}_password"
        assert database_lets_in(server, f"bem_{account}", now[name])
        assert not database_lets_in(server, f"bem_{account}", vault[name])
    for account, password in accounts(vault).items():
        assert broker_lets_in(server, successor, account, accounts(now)[account])
        assert not broker_lets_in(server, successor, account, password)
    all_is_well(controller)


@pytest.mark.parametrize(
    "task",
    [
        "Write the passwords of the services",
        "Have the services run with the new secrets",
        "Let the new authority sign",
    ],
)
def test_a_rotation_broken_off_completes_when_run_again(
    controller: Controller,
    server: Machine,
    guest: Guest,
    vault: dict[str, str],
    record_property: Record,
    task: str,
    tmp_path: Path,
) -> None:
    experiment = begin(guest, "Broken off")
    cookies = {one.name: one.value or "" for one in guest.visitor.cookies}

    trusted = server.root / "etc/bem/ca.pem"
    with asking(server.address, trusted, tuple(PAGES), PER_SECOND, cookies) as found:
        controller.break_off(ROTATE, task, "--extra-vars=rotate=all")
        broken = controller.secrets()
        controller.play(ROTATE)
    asked(found, record_property)

    now = controller.secrets()
    assert now["mysql_web_password"] == broken["mysql_web_password"] != vault["mysql_web_password"]
    assert now["pki_ca_certificate"] != vault["pki_ca_certificate"]
    assert not now.get("pki_ca_certificate_previous")
    successor = tmp_path / "successor.pem"
    successor.write_text(now["pki_ca_certificate"], encoding="ascii")
    guest.trust_also(successor)
    end(guest, experiment)
    assert not database_lets_in(server, "bem_web", vault["mysql_web_password"])
    all_is_well(controller)

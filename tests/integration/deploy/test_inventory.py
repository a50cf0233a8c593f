"""A wrong inventory is refused before any machine is asked, by the variable's name and a remedy."""

import pytest

from .conftest import Laboratory

SIMULATED = [{"name": "simulated", "kind": "simulated"}]


def refused(laboratory: Laboratory, *wanted: str, options: tuple[str, ...] = ()) -> None:
    code, output = laboratory.play("validate.yml", *options)

    assert code != 0
    # The machines do not exist; had one been asked, it would have been unreachable.
    assert "UNREACHABLE" not in output
    for text in wanted:
        assert text in output


def test_the_example_with_secrets_is_accepted(laboratory: Laboratory) -> None:
    code, output = laboratory.play("validate.yml")

    assert code == 0, output


def test_secrets_left_at_the_example_value(example: Laboratory) -> None:
    refused(example, "is still the example value", "playbooks/secrets.yml")


def test_a_missing_vault_password(laboratory: Laboratory) -> None:
    code, output = laboratory.play("validate.yml", password=False)

    assert code != 0
    assert "Attempting to decrypt but no vault secrets found" in output


def test_no_server(laboratory: Laboratory) -> None:
    laboratory.hosts(server=0)

    refused(laboratory, "group `server` has 0 hosts", "one host (the normal laboratory) or three")


def test_two_servers(laboratory: Laboratory) -> None:
    laboratory.hosts(server=2)

    refused(laboratory, "group `server` has 2 hosts", "server-1, server-2")


def test_a_node_without_a_bus(laboratory: Laboratory) -> None:
    (laboratory.folder / "host_vars" / "cycler-2.yml").unlink()

    refused(laboratory, "node_buses")


def test_a_node_whose_name_is_no_id(laboratory: Laboratory) -> None:
    laboratory.hosts(nodes=("Cycler_1",))

    refused(laboratory, "A node is called Cycler_1", "rename it in hosts.yml")


def test_a_new_node_without_a_password(laboratory: Laboratory) -> None:
    laboratory.hosts(nodes=("cycler-1", "cycler-2", "cycler-3"))
    laboratory.node("cycler-3", node_buses=SIMULATED)

    refused(laboratory, "rabbitmq_node_passwords has no password for cycler-3", "secrets.yml")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("web_port", 70000),
        ("web_port", "many"),
        ("web_port", 22),
        ("rabbitmq_mqtt_port", 0),
        ("mysql_port", 65536),
        ("mysql_flavour", "postgres"),
        ("web_https", "perhaps"),
        ("firewall_ssh_port", 0),
        ("base_log_level", "LOUD"),
    ],
)
def test_a_wrong_value(laboratory: Laboratory, variable: str, value: object) -> None:
    laboratory.variables(**{variable: value})

    # The server has them all; to look at the nodes too takes twice as long.
    refused(laboratory, variable, str(value), options=("--limit=localhost,server",))


def test_a_second_run_makes_no_new_secrets(laboratory: Laboratory) -> None:
    vault = laboratory.folder / "group_vars" / "all" / "vault.yml"
    before = vault.read_bytes()

    code, _ = laboratory.play("secrets.yml")

    assert code == 0
    assert before.startswith(b"$ANSIBLE_VAULT")
    assert vault.read_bytes() == before


def test_a_new_node_gets_a_secret_and_the_others_keep_theirs(laboratory: Laboratory) -> None:
    laboratory.hosts(nodes=("cycler-1", "cycler-2", "cycler-3"))
    laboratory.node("cycler-3", node_buses=SIMULATED)

    _, output = laboratory.play("secrets.yml")
    code, _ = laboratory.play("validate.yml")

    assert "Made: rabbitmq_node_passwords.cycler-3." in output
    assert code == 0


def test_secrets_need_a_vault_password(example: Laboratory) -> None:
    code, output = example.play("secrets.yml", password=False)

    assert code != 0
    assert "No vault password is given" in output
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in output

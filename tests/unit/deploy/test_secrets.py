"""How playbooks/secrets.yml and rotate-secrets.yml fill and change the vaulted file."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from playbooks.action_plugins import bem_secrets as secrets

NODES = ["cycler-1", "cycler-2"]


@pytest.fixture
def vault() -> dict[str, Any]:
    values: dict[str, Any] = {}
    secrets.fill(values, NODES, "Laboratory")
    return values


def test_every_secret_is_made_once_and_no_two_are_alike(vault: dict[str, Any]) -> None:
    texts = [text for name, text in vault.items() if isinstance(text, str)]
    texts += vault["rabbitmq_node_passwords"].values()

    assert len(set(texts)) == len(texts) == len(secrets.MAKERS) + 2 + len(NODES)
    assert all(len(text) >= 20 for text in texts)
    before = dict(vault)
    assert secrets.fill(vault, NODES, "Laboratory") == []
    assert vault == before


def test_a_secret_left_at_its_example_is_made_and_one_given_by_hand_stays() -> None:
    values = {"mysql_web_password": "change-me", "web_secret_key": "given"}
    added = secrets.fill(values, [], "Laboratory")

    assert "mysql_web_password" in added
    assert values["mysql_web_password"] != "change-me"
    assert values["web_secret_key"] == "given"


def test_a_new_node_gets_its_password_and_a_removed_one_loses_it(vault: dict[str, Any]) -> None:
    assert secrets.fill(vault, [*NODES, "cycler-3"], "L") == ["rabbitmq_node_passwords.cycler-3"]
    assert secrets.forget_nodes(vault, ["cycler-3"]) == [
        "rabbitmq_node_passwords.cycler-1",
        "rabbitmq_node_passwords.cycler-2",
    ]
    assert [*vault["rabbitmq_node_passwords"]] == ["cycler-3"]


def test_an_authority_of_which_a_half_is_missing_is_refused(vault: dict[str, Any]) -> None:
    del vault["pki_ca_key"]

    with pytest.raises(ValueError, match="only one of pki_ca_key and pki_ca_certificate"):
        secrets.fill(vault, NODES, "Laboratory")


def test_passwords_of_nodes_that_are_no_mapping_are_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="not a mapping") as refused:
        secrets.fill({"rabbitmq_node_passwords": "hunter2"}, NODES, "Laboratory")
    assert "hunter2" not in str(refused.value)


def test_the_authority_signs_and_its_key_belongs_to_it(vault: dict[str, Any]) -> None:
    certificate = x509.load_pem_x509_certificate(vault["pki_ca_certificate"].encode())
    key = load_pem_private_key(vault["pki_ca_key"].encode(), password=None)

    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.public_key() == key.public_key()


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("mysql_web_password", ["mysql_web_password"]),
        ("mysql_web_password, mysql_web_password", ["mysql_web_password"]),
        ("rabbitmq_node_passwords", [f"rabbitmq_node_passwords.{node}" for node in NODES]),
        ("rabbitmq_node_passwords.cycler-2", ["rabbitmq_node_passwords.cycler-2"]),
        ("pki_ca_key", ["pki_ca"]),
        ("", []),
    ],
)
def test_what_is_rotated_is_chosen_by_name(wanted: str, chosen: list[str]) -> None:
    assert secrets.choose(wanted, NODES) == chosen


def test_all_is_everything_but_the_first_password_of_a_person() -> None:
    chosen = secrets.choose("all", NODES)

    assert len(chosen) == len(secrets.MAKERS) - 1 + len(NODES) + 1
    assert "web_admin_password" not in chosen


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("web_admin_password", "only for the first log-in"),
        ("mysql_wed_password", "these are: mysql_web_password"),
    ],
)
def test_what_cannot_be_rotated_is_said(wanted: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        secrets.choose(wanted, NODES)


def test_a_rotation_changes_what_was_chosen_and_nothing_else(vault: dict[str, Any]) -> None:
    before = dict(vault)
    assert secrets.rotate(vault, ["mysql_web_password"], "L") == ["mysql_web_password"]

    assert {name for name in vault if vault[name] != before[name]} == {"mysql_web_password"}


def test_the_key_before_stays_known_so_that_nobody_is_signed_out(vault: dict[str, Any]) -> None:
    before = vault["web_secret_key"]
    secrets.rotate(vault, ["web_secret_key"], "Laboratory")

    assert vault["web_secret_key"] != before
    assert vault["web_secret_key_previous"] == before


def test_a_new_authority_is_trusted_before_it_signs_and_the_old_one_after(
    vault: dict[str, Any],
) -> None:
    old = vault["pki_ca_certificate"]
    states = [secrets.authority_state(vault)]
    assert secrets.rotate(vault, ["pki_ca"], "Laboratory") == ["pki_ca"]
    states.append(secrets.authority_state(vault))
    new = vault["pki_ca_certificate_next"]
    assert vault["pki_ca_certificate"] == old
    # Broken off here and called again: the one that waits is not replaced.
    assert secrets.rotate(vault, ["pki_ca"], "Laboratory") == []
    secrets.promote_authority(vault)
    states.append(secrets.authority_state(vault))
    assert (vault["pki_ca_certificate"], vault["pki_ca_certificate_previous"]) == (new, old)
    assert secrets.promote_authority(vault) == []
    secrets.retire_authority(vault)
    states.append(secrets.authority_state(vault))

    assert states == ["settled", "next", "previous", "settled"]
    assert secrets.retire_authority(vault) == []

"""Makes and changes the secrets of a laboratory inside its vaulted file.

It runs in the process of Ansible, on the controller: the plain text of a secret is in the memory of
that process alone, never in a file, on a command line, in an environment or in a result. What it
answers are names.
"""

import os
import re
import secrets
import string
import tempfile
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib
from ansible.plugins.action import ActionBase
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_ALPHABET = string.ascii_letters + string.digits
"""Nothing in it means anything to a shell, to YAML, SQL or a settings file."""
_PASSWORD_LENGTH = 40
_KEY_LENGTH = 64
_READABLE_LENGTH = 20
_AUTHORITY_DAYS = 20 * 365 + 5
_EXAMPLE = "change-me"
"""What the example inventory has in the place of each secret."""
NODE_PASSWORDS = "rabbitmq_node_passwords"
AUTHORITY = "pki_ca"
FIRST_LOGIN = "web_admin_password"
_HEADER = (
    "# Secrets of the laboratory, made by playbooks/secrets.yml. Read them by ansible-vault view.\n"
)

Values = MutableMapping[str, Any]


def random_text(length: int) -> str:
    """Make a random text of letters and digits; 5.95 bits for each of ``length`` characters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _password() -> str:
    return random_text(_PASSWORD_LENGTH)


def _key() -> str:
    return random_text(_KEY_LENGTH)


def _readable() -> str:
    # A person types this one once: no characters that look alike.
    clear = "".join(sorted(set(_ALPHABET) - set("0O1lI")))
    return "".join(secrets.choice(clear) for _ in range(_READABLE_LENGTH))


MAKERS: Mapping[str, Callable[[], str]] = {
    "mysql_web_password": _password,
    "mysql_manager_password": _password,
    "mysql_migrate_password": _password,
    "mysql_backup_password": _password,
    "mysql_cluster_password": _password,
    "rabbitmq_web_password": _password,
    "rabbitmq_manager_password": _password,
    "rabbitmq_erlang_cookie": _key,
    "web_secret_key": _key,
    FIRST_LOGIN: _readable,
}
"""Each secret that is a text of its own; the node passwords and the authority are beside them."""


def make_authority(laboratory: str) -> tuple[str, str]:
    """Make a certificate authority (EC P-256, 20 years); get its key and certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    started = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # The serial tells two authorities of one laboratory apart while one takes over from the other.
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, laboratory[:64]),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{laboratory[:45]} authority"),
            x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, secrets.token_hex(8)),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # From yesterday: the clock of a machine may be behind.
        .not_valid_before(started - timedelta(days=1))
        .not_valid_after(started + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def is_missing(value: object) -> bool:
    """Whether a secret is not there yet: absent, empty, or as the example has it."""
    return value is None or str(value).strip() in ("", _EXAMPLE)


def fill(values: Values, nodes: Iterable[str], laboratory: str) -> list[str]:
    """Add each secret that is missing, change none; get the names of the added.

    ``nodes`` are the inventory names of the nodes.

    Raises:
        ValueError: what is there has the wrong form.
    """
    added = []
    for name, make in MAKERS.items():
        if is_missing(values.get(name)):
            values[name] = make()
            added.append(name)
    passwords = _node_passwords(values)
    for node in nodes:
        if is_missing(passwords.get(node)):
            passwords[node] = _password()
            added.append(f"{NODE_PASSWORDS}.{node}")
    values[NODE_PASSWORDS] = passwords
    halves = [is_missing(values.get(f"{AUTHORITY}_{half}")) for half in ("key", "certificate")]
    if all(halves):
        values[f"{AUTHORITY}_key"], values[f"{AUTHORITY}_certificate"] = make_authority(laboratory)
        added += [f"{AUTHORITY}_key", f"{AUTHORITY}_certificate"]
    elif any(halves):
        raise ValueError(
            "only one of pki_ca_key and pki_ca_certificate is there. Give both, or delete both to "
            "get a new authority"
        )
    return added


def names(nodes: Iterable[str]) -> list[str]:
    """Get the name of each secret that can be rotated."""
    texts = [name for name in MAKERS if name != FIRST_LOGIN]
    return [*texts, *(f"{NODE_PASSWORDS}.{node}" for node in nodes), AUTHORITY]


def choose(wanted: str, nodes: Iterable[str]) -> list[str]:
    """Read what is to be rotated: ``all``, or names with commas between.

    Raises:
        ValueError: a name is unknown.
    """
    known = names(nodes)
    asked = [one for one in re.split(r"[\s,]+", wanted) if one]
    chosen: list[str] = []
    for one in asked:
        if one == FIRST_LOGIN:
            raise ValueError(
                f"{FIRST_LOGIN} is only for the first log-in: change the password of `admin` "
                "in the browser"
            )
        matching = [name for name in known if one in ("all", name) or name.startswith(f"{one}.")]
        if one.startswith(f"{AUTHORITY}_"):
            matching = [AUTHORITY]
        if not matching:
            raise ValueError(
                f"{one} is no secret that can be rotated; these are: {', '.join(known)}"
            )
        chosen += [name for name in matching if name not in chosen]
    return chosen


def rotate(values: Values, chosen: Iterable[str], laboratory: str) -> list[str]:
    """Give each chosen secret a new value; get the names of the changed.

    The old key of the web stays as ``web_secret_key_previous``. A new authority waits beside the
    old one as ``pki_ca_key_next`` until each machine trusts it; one that waits already stays.
    """
    changed = []
    for name in chosen:
        if name == AUTHORITY:
            if authority_state(values) != "settled":
                continue
            new = make_authority(laboratory)
            values[f"{AUTHORITY}_key_next"], values[f"{AUTHORITY}_certificate_next"] = new
        elif name.startswith(f"{NODE_PASSWORDS}."):
            _node_passwords(values)[name.partition(".")[2]] = _password()
        else:
            if name == "web_secret_key" and not is_missing(values.get(name)):
                values["web_secret_key_previous"] = values[name]
            values[name] = MAKERS[name]()
        changed.append(name)
    return changed


def authority_state(values: Values) -> str:
    """Tell how far a change of the authority is.

    ``settled``: there is one. ``next``: a new one waits to be trusted everywhere. ``previous``: the
    new one signs, and the old one is still trusted.
    """
    for stage in ("next", "previous"):
        if not is_missing(values.get(f"{AUTHORITY}_certificate_{stage}")):
            return stage
    return "settled"


def promote_authority(values: Values) -> list[str]:
    """Let the waiting authority sign from now on; the old one is still trusted."""
    if authority_state(values) != "next":
        return []
    values[f"{AUTHORITY}_certificate_previous"] = values[f"{AUTHORITY}_certificate"]
    for half in ("key", "certificate"):
        values[f"{AUTHORITY}_{half}"] = values[f"{AUTHORITY}_{half}_next"]
        # Empty and not deleted: a variable that Ansible has read already cannot be unset.
        values[f"{AUTHORITY}_{half}_next"] = ""
    return [AUTHORITY]


def retire_authority(values: Values) -> list[str]:
    """Forget the authority before this one."""
    if authority_state(values) != "previous":
        return []
    values[f"{AUTHORITY}_certificate_previous"] = ""
    return [f"{AUTHORITY}_certificate_previous"]


def forget_nodes(values: Values, nodes: Iterable[str]) -> list[str]:
    """Delete the broker passwords of all nodes but ``nodes``; get their names."""
    passwords = _node_passwords(values)
    gone = sorted(set(passwords) - set(nodes))
    for node in gone:
        del passwords[node]
    return [f"{NODE_PASSWORDS}.{node}" for node in gone]


def _node_passwords(values: Values) -> Values:
    passwords = values.get(NODE_PASSWORDS)
    if is_missing(passwords):
        passwords = values[NODE_PASSWORDS] = {}
    if not isinstance(passwords, MutableMapping):
        # The value itself must not get into the message.
        raise ValueError(f"{NODE_PASSWORDS} is not a mapping of node names to passwords")
    return passwords


class _Writer(yaml.SafeDumper):
    """Writes a text of several lines (PEM) as such."""


def _write_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _write_text)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core is not typed
    """``state``: complete (default), rotated, promoted, retired, pruned."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: object = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change the file as the arguments say and answer the names of what changed."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        path = Path(str(arguments["path"])).absolute()
        nodes = [str(node) for node in arguments.get("nodes", [])]
        laboratory = str(arguments.get("laboratory", "Battery Experiments Manager"))
        vault_secrets = self._vault_secrets(path)
        before, was_plain = self._read(path, vault_secrets)
        values: Values = yaml.safe_load(before) or {}
        rotated = str(arguments.get("rotate", ""))
        state = str(arguments.get("state", "complete"))
        try:
            changed_names = self._change(values, state, nodes, laboratory, rotated)
        except ValueError as error:
            raise AnsibleError(f"{path}: {error}.") from None
        changed = bool(changed_names) or was_plain
        if changed and not self._task.check_mode:
            _write(path, values, vault_secrets)
        result.update(changed=changed, names=changed_names, was_plain=was_plain, path=str(path))
        result["authority"] = authority_state(values)
        return result

    @staticmethod
    def _change(
        values: Values, state: str, nodes: list[str], laboratory: str, rotated: str
    ) -> list[str]:
        if state == "complete":
            return fill(values, nodes, laboratory)
        if state == "rotated":
            return rotate(values, choose(rotated, nodes), laboratory)
        if state == "promoted":
            return promote_authority(values)
        if state == "retired":
            return retire_authority(values)
        if state == "pruned":
            return forget_nodes(values, nodes)
        raise ValueError(f"state is {state}; give complete, rotated, promoted, retired or pruned")

    def _vault_secrets(self, path: Path) -> list[tuple[str, Any]]:
        # The loader holds what --vault-password-file, --vault-id, --ask-vault-pass or
        # ANSIBLE_VAULT_PASSWORD_FILE gave, whichever it was.
        vault = getattr(self._loader, "_vault", None)
        found = list(getattr(vault, "secrets", None) or [])
        if not found:
            raise AnsibleError(
                f"No vault password is given, so {path} cannot be written encrypted. Put a long "
                "password into a file that only you can read (for example: umask 077; openssl rand "
                "-base64 33 > ~/.bem-vault-password), keep a copy of it outside of this computer, "
                "and either set ANSIBLE_VAULT_PASSWORD_FILE to that file or add "
                "--vault-password-file FILE to the command."
            )
        return found

    def _read(self, path: Path, vault_secrets: list[tuple[str, Any]]) -> tuple[str, bool]:
        if not path.exists():
            return "", False
        raw = path.read_bytes()
        vault = VaultLib(vault_secrets)
        plain = not vault.is_encrypted(raw)
        if plain:
            return raw.decode(), True
        try:
            return bytes(vault.decrypt(raw)).decode(), False
        except AnsibleError:
            raise AnsibleError(
                f"{path} cannot be decrypted by the vault password that is given. Give the "
                "password by which it was made (ANSIBLE_VAULT_PASSWORD_FILE or "
                "--vault-password-file)."
            ) from None


def _write(path: Path, values: Values, vault_secrets: list[tuple[str, Any]]) -> None:
    text = _HEADER + yaml.dump(dict(values), Dumper=_Writer, sort_keys=True, width=100)
    identity, secret = vault_secrets[0]
    encrypted = VaultLib(vault_secrets).encrypt(
        text, secret, None if identity == "default" else identity
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: a power cut here must not cost a laboratory its secrets.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".vault-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(encrypted)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

"""The settings file: what it accepts, and what it says when it does not."""

import os
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from bem.runtime.settings import (
    NodeSettings,
    Settings,
    SettingsError,
    StationDefinition,
    load_settings,
    load_station,
    read_secret,
)

ROOT = Path(__file__).parents[3]


def write(folder: Path, text: str, name: str = "bem.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_an_empty_file_is_a_machine_with_defaults(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, ""))
    assert settings.web.port == 8869
    assert settings.broker.hosts == ("localhost",)


def test_an_unknown_key_is_refused_with_its_path_and_what_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path, "web:\n  prot: 8870\n")
    with pytest.raises(SettingsError) as refusal:
        load_settings(path)
    message = str(refusal.value)
    assert str(path) in message
    assert "web.prot: unknown key" in message
    assert "port" in message
    assert "secret_key_file" in message


def test_an_unknown_key_at_the_top_names_the_sections(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="dba: unknown key; allowed here: broker, data_dir"):
        load_settings(write(tmp_path, "dba: {}\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web: {port: 99999}", r"web\.port: .*65535.*99999"),
        ("node: {id: 'Node 1'}", r"node\.id: .*'Node 1'"),
        ("logging: {level: LOUD}", r"logging\.level: .*'LOUD'"),
        ("web: [1, 2", "is not YAML"),
        ("just words", "the file: .*just words"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(write(tmp_path, text))
    assert re.search(said, str(refusal.value), re.DOTALL)


def test_all_errors_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(write(tmp_path, "web: {port: 0, prot: 1}\nbroker: {keepalive_s: 1}\n"))
    assert str(refusal.value).count("\n") == 3


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="BEM_CONFIG"):
        load_settings(tmp_path / "absent.yaml")


def test_a_secret_comes_from_the_credentials_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "hunter2\n", "broker_password")
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(tmp_path))
    secret = read_secret(Path("broker_password"), "broker.password_file")
    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(secret)


@pytest.mark.parametrize(("content", "said"), [(None, "cannot read"), ("\n", "is empty")])
def test_a_secret_that_is_not_there_is_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=f"web.secret_key_file: .*{said}|{said}"):
        read_secret(path, "web.secret_key_file")


def test_a_station_is_named_as_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, "id: b\nname: B\npower: {driver: virtual}\n", "a.yaml")
    with pytest.raises(SettingsError, match="must be the file's name"):
        load_station(path)


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}")
    return found


@pytest.mark.parametrize("model", [Settings, StationDefinition])
def test_the_handbook_lists_every_key(model: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    missing = [key for key in keys(model) if f"`{key}`" not in page]
    assert not missing


@pytest.mark.parametrize("text", ["web: {https: off}", "web: {https: 'off'}", ""])
def test_a_bare_off_is_the_word(tmp_path: Path, text: str) -> None:
    assert load_settings(write(tmp_path, text)).web.https == "off"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("broker: {hosts: []}", r"broker\.hosts: .*at least 1"),
        ("broker: {host: a}", "broker.host: unknown key; allowed here: ca_file, hosts"),
        ("web: {https: true}", r"web\.https: .*'serve', 'proxy' or 'off'"),
        ("web: {https: serve}", "needs certificate_file and key_file"),
    ],
)
def test_what_the_servers_need_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(write(tmp_path, text))


@pytest.mark.parametrize(
    "address", ["10.0.0.5:5025", "supply.example.org:5555", "[2001:db8::1]:5025", "localhost:65535"]
)
def test_an_address_of_a_device_has_a_host_and_a_port(address: str) -> None:
    assert NodeSettings(tcp_addresses=(address,)).tcp_addresses == (address,)


@pytest.mark.parametrize(
    "address",
    ["10.0.0.5", "10.0.0.5:", ":5025", "2001:db8::1:5025", "a b:1", "a:0", "a:65536", "a:x"],
)
def test_what_is_no_address_of_a_device_is_refused_with_the_remedy(
    tmp_path: Path, address: str
) -> None:
    path = write(tmp_path, f"node: {{tcp_addresses: ['{address}']}}")
    with pytest.raises(SettingsError, match=r"node\.tcp_addresses\.0: .*write host:port"):
        load_settings(path)

"""New log levels while a process runs."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bem.runtime.log import reload_logging, set_up_logging
from bem.runtime.settings import LoggingSettings


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    set_up_logging(LoggingSettings())
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bem.yaml"
    monkeypatch.setenv("BEM_CONFIG", str(path))
    return path


def test_levels_change_and_go_back_with_the_file(file: Path) -> None:
    set_up_logging(LoggingSettings())
    file.write_text("logging: {level: WARNING, levels: {bem.some: DEBUG}}\n")
    assert reload_logging()
    assert logging.getLogger().level == logging.WARNING
    assert logging.getLogger("bem.some").isEnabledFor(logging.DEBUG)
    file.write_text("logging: {level: WARNING}\n")
    assert reload_logging()
    assert not logging.getLogger("bem.some").isEnabledFor(logging.INFO)


def test_a_broken_file_changes_nothing_and_is_said(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(LoggingSettings(levels={"bem.some": "DEBUG"}))
    file.write_text("logging: {level: LOUD}\n")
    assert not reload_logging()
    assert logging.getLogger("bem.some").isEnabledFor(logging.DEBUG)
    assert logging.getLogger().level == logging.INFO
    said = capsys.readouterr().err
    assert "stay as they were" in said
    assert "'LOUD'" in said

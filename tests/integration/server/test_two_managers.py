"""Two managers on one database: one decides, and the other takes over when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.integration.server.conftest import ServerLaboratory

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]


def test_a_standby_takes_over_within_twenty_seconds(
    laboratory: "ServerLaboratory", wait_until: Callable[..., None]
) -> None:
    laboratory.start("manager")
    (first,) = (laboratory.processes["manager"],)

    def holder() -> tuple[str, int]:
        rows = laboratory.rows("SELECT holder, epoch FROM lab_lease WHERE name = 'manager'")
        return (str(rows[0][0]), int(rows[0][1])) if rows else ("", 0)

    wait_until(lambda: holder()[0], "the first manager to decide", timeout_s=60)
    before = holder()
    raw = yaml.safe_load(laboratory.file.read_text())
    other = laboratory.folder / "other.yaml"
    other.write_text(yaml.safe_dump(raw | {"data_dir": str(laboratory.folder / "other")}))
    log = laboratory.folder / "other.log"
    with log.open("ab") as file:
        second = subprocess.Popen(
            [sys.executable, "-m", "bem.cli", "manager"],
            env=os.environ | laboratory.environment | {"BEM_CONFIG": str(other)},
            stderr=file,
        )
    try:
        wait_until(lambda: "standing by" in log.read_text(), "it to stand by", timeout_s=60)
        assert holder() == before
        first.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda: holder() != before, "the other to take over", timeout_s=20)
        took = time.monotonic() - killed
        assert holder()[1] == before[1] + 1
        assert 8 < took < 20
        # In order it goes at once.
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
        assert holder()[0] == ""
    finally:
        second.kill()
        second.wait(10)
    assert "Traceback" not in log.read_text()

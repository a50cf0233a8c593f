"""The tables and everything on them work on MariaDB as they do on SQLite."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.integration.server.conftest import MariaDB

pytestmark = [pytest.mark.server, pytest.mark.timeout(1800)]
_ROOT = Path(__file__).resolve().parents[3]

_FOLDERS = (
    "integration/server/on_database",
    "unit/lab",
    "unit/lab_data",
    "unit/manager",
    "unit/web_records",
    "unit/web_watch",
)
"""All at once, for it takes a while to make the tables."""
_OF_SQLITE = (
    # Asks for the plan of a query in SQLite's words; on_database/test_values.py asks MariaDB.
    "tests/unit/lab_data/test_series.py::test_the_cost_does_not_grow_with_the_run",
    # Play an outage in one transaction, which only SQLite's memory survives; test_laboratory.py
    # has a real one.
    "tests/unit/manager/test_worker.py::test_a_message_that_the_database_refuses_blocks_nothing",
    "tests/unit/manager/test_worker.py::test_an_outage_is_said_once_and_ends_by_itself",
)
_WITHOUT_THE_DATABASE = (
    # Processes with settings of their own, which take their time.
    "tests/unit/web_watch/test_restart.py",
    "tests/unit/web_watch/test_server.py",
)


def test_the_tests_of_the_records_pass_on_mariadb(mariadb: "MariaDB", tmp_path: Path) -> None:
    # Django would wake with them, before the tests name their own.
    ours = ("BEM_CONFIG", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    with mariadb.database(tmp_path) as section:
        fragment = tmp_path / "database.yaml"
        fragment.write_text(yaml.safe_dump(section))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                # The laboratories that run beside this leave much of a core.
                *("-n", "2", "--create-db", *(f"tests/{folder}" for folder in _FOLDERS)),
                *(f"--deselect={test}" for test in _OF_SQLITE),
                *(f"--ignore={file}" for file in _WITHOUT_THE_DATABASE),
            ],
            cwd=_ROOT,
            env=environment | {"BEM_TEST_DATABASE": str(fragment)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout

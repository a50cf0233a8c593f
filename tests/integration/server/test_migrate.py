"""``bem migrate`` makes the tables of a laboratory in an empty database, or says why it cannot."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.integration.server.conftest import MariaDB

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]
Migrate = Callable[[], "subprocess.CompletedProcess[str]"]
Empty = Callable[..., "contextlib.AbstractContextManager[tuple[str, Migrate]]"]


@pytest.fixture
def empty(mariadb: "MariaDB", tmp_path: Path) -> Empty:
    """Make an empty database: its name, and how to migrate it."""

    @contextlib.contextmanager
    def made(**options: str) -> Iterator[tuple[str, Migrate]]:
        with mariadb.database(tmp_path, **options) as database:
            (tmp_path / "secret_key").write_text("x" * 50)
            settings = {
                "data_dir": str(tmp_path),
                "runtime_dir": str(tmp_path),
                "database": database,
                "web": {"secret_key_file": str(tmp_path / "secret_key")},
            }
            (tmp_path / "bem.yaml").write_text(yaml.safe_dump(settings))

            def migrate() -> "subprocess.CompletedProcess[str]":
                return subprocess.run(
                    [sys.executable, "-m", "bem.cli", "migrate"],
                    env=os.environ | {"BEM_CONFIG": str(tmp_path / "bem.yaml")},
                    capture_output=True,
                    text=True,
                    check=False,
                )

            yield database["name"], migrate

    return made


def test_an_empty_database_gets_all_tables(empty: Empty, mariadb: "MariaDB") -> None:
    with empty() as (name, migrate):
        first = migrate()
        assert first.returncode == 0, first.stderr
        again = migrate()
        assert again.returncode == 0
        assert "No migrations to apply" in again.stdout
        tables = dict(
            mariadb.ask(
                name,
                "SELECT table_name, concat(engine, ' ', table_collation) "
                "FROM information_schema.tables WHERE table_schema = database()",
            )
        )
        assert {"lab_sample", "lab_bucket", "lab_event", "auth_user", "django_session"} <= set(
            tables
        )
        assert set(tables.values()) == {"InnoDB utf8mb4_unicode_520_ci"}
        roles = mariadb.ask(name, "SELECT name FROM auth_group ORDER BY id")
        assert [role for (role,) in roles] == ["viewer", "operator", "supervisor", "admin"]


def test_samples_lie_in_the_order_in_which_they_are_read(empty: Empty, mariadb: "MariaDB") -> None:
    with empty() as (name, migrate):
        assert migrate().returncode == 0
        for table, key in (
            ("lab_sample", "`experiment_id`,`seq`"),
            ("lab_event", "`experiment_id`,`seq`"),
            ("lab_bucket", "`experiment_id`,`level`,`number`"),
            ("lab_stepresult", "`experiment_id`,`event_seq`"),
            ("lab_cycleresult", "`experiment_id`,`cycle`"),
        ):
            made = mariadb.ask(name, f"SHOW CREATE TABLE {table}")[0][1]
            assert f"PRIMARY KEY ({key})" in made
            assert made.count("KEY ") == 2, "the primary and the foreign key; more would slow it"
        made = mariadb.ask(name, "SHOW CREATE TABLE lab_sample")[0][1]
        assert "`elapsed_us` bigint(20) NOT NULL" in made
        assert "`voltage` double NOT NULL" in made
        assert "`at` datetime(6)" in mariadb.ask(name, "SHOW CREATE TABLE lab_event")[0][1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"charset": "latin1", "collation": "latin1_swedish_ci"}, "character set latin1"),
        ({"charset": "utf8mb4", "collation": "utf8mb4_general_ci"}, "takes all emoji for one"),
    ],
)
def test_a_database_that_would_spoil_names_is_refused_until_mended(
    options: dict[str, str], reason: str, empty: Empty, mariadb: "MariaDB"
) -> None:
    with empty(**options) as (name, migrate):
        refused = migrate()
        assert refused.returncode == 1
        assert reason in refused.stderr
        assert mariadb.ask(name, "SHOW TABLES") == []
        remedy = refused.stderr[refused.stderr.index("ALTER DATABASE") :].strip()
        mariadb.administer(remedy)
        mended = migrate()
        assert mended.returncode == 0, mended.stderr

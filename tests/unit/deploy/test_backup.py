"""What a backup keeps, and what it counts in a dump."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roles.backup.files import bem_backup as backup

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def name(at: datetime) -> str:
    return f"bem-bem-server-{at:%Y%m%dT%H%M%SZ}.tar"


def made_at(backup_name: str) -> datetime:
    at = backup.stamp_of(backup_name)
    assert at is not None
    return at


def test_a_year_of_nights_leaves_days_weeks_and_months() -> None:
    nights = [name(NOW - timedelta(days=days, hours=10)) for days in range(365)]
    kept = backup.to_keep(nights, NOW, daily=7, weekly=4, monthly=12)
    days = sorted(map(made_at, kept), reverse=True)

    assert [(NOW - at).days for at in days[:7]] == list(range(7))
    assert {f"{at:%Y-%m}" for at in days} >= {
        f"{NOW - timedelta(days=31 * n):%Y-%m}" for n in (1, 5, 9)
    }
    assert len(kept) <= 7 + 4 + 12


def test_the_one_before_an_upgrade_is_not_lost_to_the_one_of_the_night() -> None:
    before_upgrade, of_the_night = name(NOW - timedelta(hours=3)), name(NOW - timedelta(hours=1))

    assert backup.to_keep([before_upgrade, of_the_night], NOW, 1, 0, 0) == {
        before_upgrade,
        of_the_night,
    }


def test_the_newest_stays_whatever_retention_says() -> None:
    assert backup.to_keep([name(NOW - timedelta(days=900))], NOW, 0, 0, 0)


def test_what_is_no_backup_is_never_judged() -> None:
    assert (
        backup.to_keep(["notes.txt", ".partial-bem-x-20260101T000000Z.tar"], NOW, 7, 4, 12) == set()
    )


@given(
    hours=st.lists(st.integers(0, 24 * 800), max_size=60, unique=True),
    daily=st.integers(0, 10),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 14),
)
def test_retention_never_grows_without_bound_and_asking_twice_changes_nothing(
    hours: list[int], daily: int, weekly: int, monthly: int
) -> None:
    names = {name(NOW - timedelta(hours=one)) for one in hours}
    kept = backup.to_keep(names, NOW, daily, weekly, monthly)

    assert kept <= names
    assert len([one for one in kept if NOW - made_at(one) >= timedelta(days=1)]) <= (
        daily + weekly + monthly + 1
    )
    assert backup.to_keep(kept, NOW, daily, weekly, monthly) == kept


def read(dump: str) -> backup.DumpReader:
    reader = backup.DumpReader()
    for line in dump.encode().splitlines(keepends=True):
        reader.feed(line)
    return reader


def test_rows_are_counted_as_mariadb_writes_them() -> None:
    found = read(
        "CREATE TABLE `bem_node` (\nINSERT INTO `bem_node` VALUES\n(1,'a (b),('),\n(2,'c');\n"
        "CREATE TABLE `bem_empty` (\n-- Dump completed on 2026-03-31\n"
    )

    assert found.rows == {"bem_node": 2, "bem_empty": 0}
    assert found.complete


def test_rows_are_counted_as_mysql_writes_them() -> None:
    found = read(
        "CREATE TABLE `django_migrations` (\n"
        "INSERT INTO `django_migrations` VALUES (1,'lab','0001_initial','2026'),"
        "(2,'lab','0002_next (b),(','2026'),(3,'auth','0001_initial','it\\'s (');\n"
    )

    assert found.rows == {"django_migrations": 3}
    assert found.migrations == {"lab": "0002_next (b),(", "auth": "0001_initial"}
    assert not found.complete


@pytest.mark.parametrize("content", [b"", b"x" * 4096])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / name(NOW)
    path.write_bytes(content)

    with pytest.raises(backup.BackupError, match=str(path)):
        backup.check(path)

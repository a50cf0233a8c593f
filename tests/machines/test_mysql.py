"""The server has Oracle's MySQL."""

import re

from tests.lab.machines import Machine

MINIMUM = (8, 0)


def ask(server: Machine, query: str) -> list[list[str]]:
    said = server.run("mysql --batch --skip-column-names", query)
    return [line.split("\t") for line in said.splitlines()]


def test_it_is_the_real_one(server: Machine) -> None:
    ((version, about),) = ask(server, "SELECT VERSION(), @@version_comment")

    assert "MariaDB" not in f"{version} {about}"
    found = re.match(r"(\d+)\.(\d+)\.", version)
    assert found is not None
    assert tuple(map(int, found.groups())) >= MINIMUM


def test_accounts_have_passwords_of_the_new_kind_and_root_has_none(server: Machine) -> None:
    rows = ask(server, "SELECT user, host, plugin FROM mysql.user WHERE account_locked = 'N'")
    names = ("bem_web", "bem_manager", "bem_migrate", "bem_backup")
    wanted = [[name, "localhost", "caching_sha2_password"] for name in names]
    debian = [row for row in rows if row[0] == "debian-sys-maint"]

    assert sorted(rows) == sorted([*wanted, *debian, ["root", "localhost", "auth_socket"]])


def test_tables_are_innodb_and_texts_utf8mb4(server: Machine) -> None:
    tables = ask(
        server,
        "SELECT DISTINCT engine, table_collation FROM information_schema.tables "
        "WHERE table_schema = 'bem' AND table_type = 'BASE TABLE'",
    )

    assert tables == [["InnoDB", "utf8mb4_unicode_520_ci"]]


def test_a_restart_as_apt_does_it_takes_nothing_down(server: Machine) -> None:
    # Stop, then start.
    before = server.run("systemctl show -P MainPID mysql").strip()
    server.run("systemctl stop mysql && systemctl start mysql")

    assert server.run("systemctl is-active mysql bem-manager bem-web").split() == ["active"] * 3
    assert server.run("systemctl show -P MainPID mysql").strip() != before

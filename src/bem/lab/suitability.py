"""Whether a database can hold the laboratory's records without harm, asked before it gets tables.

What is wrong here would show only much later: a name cut at its first emoji, two names taken for
one, half a batch kept.
"""

from django.db import NotSupportedError, connections

COLLATION = "utf8mb4_unicode_520_ci"
"""Known to MySQL and MariaDB alike; ignores case and tells all characters apart."""


def refuse_unsuitable(*, using: str, **_: object) -> None:
    """Refuse a MySQL-compatible database that cuts, confuses or half keeps what it is given.

    Raises:
        NotSupportedError: says what is wrong and how to mend it.
    """
    connection = connections[using]
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DATABASE(), @@character_set_database, @@collation_database, "
            "@@default_storage_engine"
        )
        name, charset, collation, engine = cursor.fetchone()
        remedy = f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE {COLLATION}"
        if charset != "utf8mb4":
            raise NotSupportedError(
                f"database {name} has the character set {charset}, which cannot hold all that "
                f"people write: as its administrator, {remedy}"
            )
        # A full and an empty battery. The name is the server's own, not from outside.
        cursor.execute(f"SELECT _utf8mb4 x'F09F948B' = _utf8mb4 x'F09FAAAB' COLLATE {collation}")
        if cursor.fetchone()[0]:
            raise NotSupportedError(
                f"database {name} has the collation {collation}, which takes all emoji for one: "
                f"as its administrator, {remedy}"
            )
        if engine.lower() != "innodb":
            raise NotSupportedError(
                f"the database server makes tables of the engine {engine}, which keeps half of "
                "what fails: set default_storage_engine=InnoDB in its configuration"
            )

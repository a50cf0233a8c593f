"""Whether the tables of the database are those that this release works with."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connections
from django.db.migrations.executor import MigrationExecutor

_NAMED = 3
"""How many of several migrations a sentence names."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the database has and what this release knows, by names such as ``lab.0001_initial``.

    ``pending`` are migrations still to be made; ``unknown`` were made by a newer release.
    """

    pending: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def fit(self) -> bool:
        """Whether this release can work with them."""
        return not self.pending and not self.unknown

    @property
    def problem(self) -> str:
        """What is wrong and how to mend it; empty if they fit."""
        if self.unknown:
            return (
                f"the database is newer than this release, which does not know {_few(self.unknown)}"
                ": install the release that made it or a newer one, or let that one lead the "
                "database back by bem migrate --to FILE, or restore the backup made before it"
            )
        if self.pending:
            return f"the database awaits bem migrate, which has to make {_few(self.pending)}"
        return ""


def look(using: str = "default") -> Tables:
    """Compare the database with this release, for the apps of this process.

    Raises:
        django.db.Error: the database does not answer.
    """
    executor = MigrationExecutor(connections[using])
    loader = executor.loader
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    unknown = sorted(
        f"{app}.{name}"
        for app, name in loader.applied_migrations
        if app in loader.migrated_apps and (app, name) not in loader.disk_migrations
    )
    return Tables(
        tuple(f"{migration.app_label}.{migration.name}" for migration, _ in plan), tuple(unknown)
    )


def newest() -> dict[str, str]:
    """Give this release's newest migration of each app, without asking the database."""
    return dict(sorted(MigrationExecutor(None).loader.graph.leaf_nodes()))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more

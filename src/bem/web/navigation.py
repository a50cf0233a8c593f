"""The menu."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu.

    ``pages``: the beginnings of the view names under which the line is marked as the current one.
    """

    title: str
    icon: str
    url_name: str
    pages: tuple[str, ...]


NAVIGATION = (
    Entry("Monitor", "layout-grid", "watch:monitor", ("watch:monitor", "watch:station")),
    Entry(
        "Experiments",
        "flask",
        "records:experiment-list",
        ("records:experiment", "watch:experiment"),
    ),
    Entry("Alarms", "bell", "alarms:list", ("alarms:",)),
    Entry("Profiles", "wave-sine", "records:profile-list", ("records:profile",)),
    Entry("Batteries", "battery", "records:battery-list", ("records:battery",)),
    Entry("Stations", "server", "records:station-list", ("records:station",)),
)


def current_entry(view_name: str) -> Entry | None:
    """Get the line of the menu that a page belongs to."""
    return next((entry for entry in NAVIGATION if view_name.startswith(entry.pages)), None)

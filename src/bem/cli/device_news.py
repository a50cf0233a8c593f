"""What a watch over devices says when one comes or goes: once each."""

import logging
from collections.abc import Sequence

from bem.messages import DeviceReport

_LOGGER = logging.getLogger(__name__)


class DeviceNews:
    """Compares what each search found with what the one before it did."""

    def __init__(self) -> None:
        self._there: dict[str, str] = {}

    def tell(self, reports: Sequence[DeviceReport]) -> None:
        """Log what came and what has gone."""
        there = {one.place: called(one) for one in reports if _is_there(one)}
        for place, name in self._there.items():
            if place not in there:
                _LOGGER.info("gone: %s at %s", name, place)
        for place, name in there.items():
            if place not in self._there:
                _LOGGER.info("found: %s at %s", name, place)
        self._there = there


def called(report: DeviceReport) -> str:
    """Get what a person calls a device."""
    name = report.title or " ".join(part for part in (report.make, report.model) if part)
    return name or report.driver or "something"


def _is_there(report: DeviceReport) -> bool:
    """Whether anything is at the place: where nothing answers, nothing may be."""
    return report.state != "unknown" or bool(report.answered)

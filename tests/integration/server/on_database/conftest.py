"""Run by test_tables.py, in a process whose Django is awake with the database in question."""

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import connection

_UNIT = Path(__file__).parents[3] / "unit"


def _fixtures_of(area: str) -> ModuleType:
    # pytest gives a folder's fixtures to that folder alone.
    spec = importlib.util.spec_from_file_location(
        f"fixtures_of_{area}", _UNIT / area / "conftest.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_LAB = _fixtures_of("lab")
operator = _LAB.operator
cell = _LAB.cell
make_station = _LAB.make_station
station = _LAB.station
battery = _LAB.battery
profile = _LAB.profile
_DATA = _fixtures_of("lab_data")
batch = _DATA.batch
happened = _DATA.happened
experiment = _DATA.experiment


@pytest.fixture
def race() -> Callable[..., list[Any]]:
    """Call at the same moment, each by a connection of its own: what each gave or raised."""

    def race(*calls: Callable[[], Any]) -> list[Any]:
        outcomes: list[Any] = [None] * len(calls)
        start = threading.Barrier(len(calls))

        def run(index: int) -> None:
            try:
                connection.ensure_connection()
                start.wait(10)
                outcomes[index] = calls[index]()
            # Whatever it is, the test looks at it.
            except Exception as error:  # noqa: BLE001 - see above
                outcomes[index] = error
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return outcomes

    return race

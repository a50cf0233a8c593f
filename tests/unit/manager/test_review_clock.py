"""A server's clock that is put back must not make a queue stand still, nor revive old commands."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bem.lab.models import Command
from bem.messages import Outcome

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench


class _PutBack:
    """The time of day of a bench, an hour earlier from some moment on."""

    def __init__(self, bench: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
        usual = vars(type(bench))["now"].fget
        assert usual is not None
        self.by = timedelta()

        def now(it: "Bench") -> datetime:
            instant: datetime = usual(it)
            return instant - self.by

        monkeypatch.setattr(type(bench), "now", property(now))


def test_a_refused_start_is_tried_again_soon_although_the_clock_went_back(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _PutBack(bench, monkeypatch)
    bench.report()
    bench.experiment()
    bench.pass_time(1)
    bench.answer(bench.orders()[0], Outcome.REFUSED, "busy", retry=True)
    clock.by = timedelta(hours=1)
    bench.pass_time(15, [bench.station()])
    assert len({order.id for order in bench.orders()}) == 2


def test_a_command_that_nobody_answers_expires_although_the_clock_went_back(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _PutBack(bench, monkeypatch)
    bench.report()
    bench.experiment()
    bench.pass_time(1)
    clock.by = timedelta(hours=1)
    bench.pass_time(60, [bench.station()])
    first = Command.objects.get(id=bench.orders()[0].id)
    assert first.status == "expired"
    assert len({order.id for order in bench.orders()}) == 2

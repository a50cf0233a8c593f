"""Who decides, and on which tables."""

import logging

import pytest

from bem.lab.lease import EXPIRE_S, LeaseKeeper
from bem.lab.schema import Tables
from bem.manager.post import Post, Turn

pytestmark = pytest.mark.django_db
FIT = Tables((), ())


class Office:
    """A post with everything around it in the test's hand."""

    def __init__(self, holder: str) -> None:
        self.seconds = 0.0
        self.tables = FIT
        self.happened: list[str] = []
        self.text = ""
        self.post = Post(
            LeaseKeeper("manager", holder, clock=lambda: self.seconds),
            take_up=lambda: self.happened.append("up"),
            lay_down=lambda: self.happened.append("down"),
            status=self.say,
            tables=lambda: self.tables,
        )

    def say(self, text: str) -> None:
        self.text = text

    def after(self, seconds: float) -> Turn:
        self.seconds += seconds
        return self.post.tend()


def test_one_acts_the_other_stands_by_and_takes_over(caplog: pytest.LogCaptureFixture) -> None:
    one, two = Office("alpha/1"), Office("beta/1")
    with caplog.at_level(logging.INFO, "bem.manager.post"):
        assert one.after(0) is Turn.ACT
        assert [two.after(1) for _ in range(3)] == [Turn.STAND_BY] * 3
        assert "active" in one.text
        assert "alpha" in two.text
        one.seconds += EXPIRE_S
        assert not one.post.held()
        assert two.after(EXPIRE_S) is Turn.ACT
        assert one.after(0) is Turn.STAND_BY
    assert one.happened == ["up", "down"]
    assert two.happened == ["up"]
    assert [record.message for record in caplog.records] == [
        "this manager decides (number 1)",
        "standing by: the manager of alpha decides",
        "this manager decides (number 2)",
        "another manager has taken over; this one stands by",
    ]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (Tables(("lab.0009_more",), ()), "awaits bem migrate, which has to make lab.0009_more"),
        (Tables((), ("lab.0999_new",)), "newer than this release, which does not know lab.0999"),
    ],
)
def test_it_waits_for_tables_that_fit_and_says_so_once(
    tables: Tables, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office("alpha/1")
    office.tables = tables
    with caplog.at_level(logging.INFO, "bem.manager.post"):
        assert [office.after(1) for _ in range(5)] == [Turn.STAND_BY] * 5
        assert said in office.text
        office.tables = FIT
        assert office.after(1) is Turn.ACT
    assert len([record for record in caplog.records if "the manager waits" in record.message]) == 2


def test_a_standby_does_not_take_over_a_database_that_became_newer() -> None:
    one, two = Office("alpha/1"), Office("beta/1")
    assert one.after(0) is Turn.ACT
    assert two.after(0) is Turn.STAND_BY
    two.tables = Tables((), ("lab.0999_new",))
    assert two.after(EXPIRE_S) is Turn.STAND_BY
    two.tables = FIT
    assert two.after(EXPIRE_S) is Turn.ACT


def test_on_the_way_out_the_next_one_may_begin_at_once() -> None:
    one, two = Office("alpha/1"), Office("beta/1")
    assert one.after(0) is Turn.ACT
    assert two.after(0) is Turn.STAND_BY
    one.post.leave()
    assert one.happened == ["up", "down"]
    assert two.after(1) is Turn.ACT

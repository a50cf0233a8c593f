"""One of several decides, whatever happens to it."""

from dataclasses import dataclass

import pytest
from django.db import connection

from bem.lab.lease import EXPIRE_S, HOLD_S, RENEW_S, LeaseKeeper
from bem.lab.models import Lease

pytestmark = pytest.mark.django_db


@dataclass
class Clock:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keeper(clock: Clock, holder: str) -> LeaseKeeper:
    return LeaseKeeper("work", holder, clock=clock)


def test_the_first_takes_it_and_the_second_stands_by(clock: Clock) -> None:
    one, two = keeper(clock, "a/1"), keeper(clock, "b/1")
    assert one.vacant()
    assert one.take()
    assert one.held()
    assert not two.vacant()
    assert two.other == "a/1"
    for _ in range(30):
        clock.seconds += RENEW_S
        assert one.renew()
        assert not two.vacant()
    assert Lease.objects.get().renewed_at is not None


def test_a_silent_holder_ceases_before_another_begins(clock: Clock) -> None:
    one, two = keeper(clock, "a/1"), keeper(clock, "b/1")
    assert one.vacant()
    assert one.take()
    assert not two.vacant()
    begun = clock.seconds
    while not two.vacant():
        assert not two.held()
        clock.seconds += 0.5
    assert not one.held()
    assert clock.seconds - begun == EXPIRE_S
    assert HOLD_S < EXPIRE_S
    assert two.take()
    assert two.held()
    assert two.epoch == 2
    assert not one.renew()
    assert one.epoch is None


def test_a_holder_that_was_away_goes_on_if_nobody_took_over(clock: Clock) -> None:
    one = keeper(clock, "a/1")
    assert one.vacant()
    assert one.take()
    clock.seconds += 60
    assert not one.held()
    assert one.renew()
    assert one.held()
    assert one.epoch == 1


def test_of_two_that_see_it_vacant_one_gets_it(clock: Clock) -> None:
    one, two = keeper(clock, "a/1"), keeper(clock, "b/1")
    assert one.vacant()
    assert two.vacant()
    assert two.take()
    assert not one.take()
    assert not one.held()


def test_a_successor_on_the_same_host_takes_it_at_once(clock: Clock) -> None:
    assert keeper(clock, "a/1").vacant()
    before = keeper(clock, "a/1")
    assert before.vacant()
    assert before.take()
    after = keeper(clock, "a/1")
    assert after.vacant()
    assert after.take()
    assert not before.renew()


def test_given_back_it_is_free_at_once(clock: Clock) -> None:
    one, two = keeper(clock, "a/1"), keeper(clock, "b/1")
    assert one.vacant()
    assert one.take()
    assert not two.vacant()
    one.give_back()
    assert not one.held()
    assert two.vacant()
    assert two.take()


def test_a_renewal_whose_answer_was_lost_is_no_loss(clock: Clock) -> None:
    one = keeper(clock, "a/1")
    assert one.vacant()
    assert one.take()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE lab_lease SET beat = beat + 1")
    assert one.renew()

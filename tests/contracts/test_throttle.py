"""Counting tries."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define

from pepeunit.adapters.memory.throttle import MemoryThrottle
from tests.doubles.rows import NOON


@define
class Hand:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_the_limit_frees_one_place_as_each_try_leaves_the_window() -> None:
    hand = Hand()
    throttle = MemoryThrottle(2, 10.0, hand)
    throttle.record("a")
    assert throttle.wait_seconds("a") is None
    hand.move(4)
    throttle.record("a")
    assert throttle.wait_seconds("a") == 6.0
    assert throttle.wait_seconds("b") is None
    hand.move(6)
    assert throttle.wait_seconds("a") is None
    throttle.record("a")
    assert throttle.wait_seconds("a") == 4.0


def test_a_success_starts_over() -> None:
    throttle = MemoryThrottle(1, 10.0, Hand())
    throttle.record("a")
    assert throttle.wait_seconds("a") == 10.0
    throttle.forget("a")
    throttle.forget("never seen")
    assert throttle.wait_seconds("a") is None


def test_a_flood_of_keys_forgets_those_idle_longest() -> None:
    throttle = MemoryThrottle(1, 10.0, Hand(), keys_max=3)
    for key in "abcad":
        throttle.record(key)
    assert [throttle.wait_seconds(key) for key in "abcd"] == [10.0, None, 10.0, 10.0]


def test_a_clock_set_back_locks_nobody_out() -> None:
    hand = Hand()
    throttle = MemoryThrottle(1, 10.0, hand)
    throttle.record("a")
    hand.move(-3600)
    assert throttle.wait_seconds("a") is None

"""The refusal tree (design.md 4)."""

from __future__ import annotations

from pepeunit.domain.errors import (
    Conflict,
    Disabled,
    Forbidden,
    Invalid,
    NotFound,
    Refused,
    Throttled,
    Topic,
    Unauthenticated,
    Unavailable,
)


def test_invalid_carries_every_violation_and_says_them_all() -> None:
    refusal = Invalid([("a", "is bad"), ("", "all is bad")], Topic.UNIT)
    assert refusal.violations == (("a", "is bad"), ("", "all is bad"))
    assert refusal.message == str(refusal) == "a: is bad; all is bad"


def test_each_leaf_has_its_default_topic() -> None:
    assert Unauthenticated("x").topic is Topic.ACCESS
    assert Forbidden("x").topic is Topic.ACCESS
    assert NotFound().topic is Topic.ENTITY
    assert Conflict("x").topic is Topic.ENTITY
    assert Disabled("x").topic is Topic.FLAG
    assert Conflict("x", Topic.REPO).topic is Topic.REPO


def test_a_throttled_call_knows_when_it_may_come_again() -> None:
    refusal = Throttled("slow down", limit=10, actual=11, retry_after_seconds=5)
    assert (refusal.limit, refusal.actual, refusal.retry_after_seconds) == (10, 11, 5)


def test_an_outage_names_the_dependency_and_is_no_refusal() -> None:
    outage = Unavailable("PostgreSQL", "is down")
    assert str(outage) == "PostgreSQL: is down"
    assert not isinstance(outage, Refused)

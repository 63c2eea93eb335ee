"""Every leaf of the refusal tree with every topic has an answer (rulings 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pepeunit.codecs.rest.refusals import (
    LABELS,
    OUTSIDE_PARTIES,
    refusal_answer,
    unavailable_answer,
)
from pepeunit.domain import errors
from pepeunit.domain.errors import Topic, Unavailable

FIXED = {
    "Unauthenticated": (403, Topic.ACCESS),
    "Forbidden": (403, Topic.ACCESS),
    "NotFound": (422, Topic.ENTITY),
    "Disabled": (405, Topic.FLAG),
}


def leaves(tree: type[errors.Refused] = errors.Refused) -> Iterator[type[errors.Refused]]:
    """The tree of the domain; a codec's own kinds of ``Invalid`` never reach this door."""
    for leaf in tree.__subclasses__():
        if leaf.__module__ != errors.__name__:
            continue
        yield leaf
        yield from leaves(leaf)


def made(leaf: type[errors.Refused], topic: Topic) -> errors.Refused:
    match leaf:
        case errors.Throttled:
            return leaf("text", topic, limit=1, actual=2, retry_after_seconds=0.1)
        case errors.OverLimit:
            return leaf("text", topic, limit=1, actual=2)
        case _:
            return leaf("text", topic)


def test_every_topic_has_its_code_and_label():
    assert set(LABELS) == set(Topic)
    assert {code for code, _ in LABELS.values()} == set(range(1, 17))


@pytest.mark.parametrize("topic", Topic)
@pytest.mark.parametrize("leaf", list(leaves()))
def test_every_leaf_and_topic_has_the_answer_of_the_contract(leaf, topic):
    answer = refusal_answer(made(leaf, topic))
    status, told = FIXED.get(leaf.__name__, (422, topic))
    if leaf is errors.Throttled and topic is not Topic.REGISTRY:
        status, told = 429, Topic.ACCESS
    code, label = LABELS[told]
    assert (answer.status, answer.detail) == (status, f"{status}: {code}: {label}: text")
    assert ("Retry-After" in answer.headers) == (leaf is errors.Throttled)


def test_a_wait_is_told_in_whole_seconds_and_never_zero():
    assert refusal_answer(made(errors.Throttled, Topic.ACCESS)).headers["Retry-After"] == "1"


@pytest.mark.parametrize(("dependency", "topic"), list(OUTSIDE_PARTIES.items()))
def test_an_outside_party_that_is_down_is_a_refusal(dependency, topic):
    code, label = LABELS[topic]
    answer = unavailable_answer(Unavailable(dependency, "no answer"))
    assert answer.status == 422
    assert answer.detail == f"422: {code}: {label}: {dependency}: no answer"


def test_a_store_that_is_down_is_retryable_and_tells_nothing_of_itself():
    answer = unavailable_answer(Unavailable("PostgreSQL", "host 10.0.0.1 refused"))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "10.0.0.1" not in answer.detail

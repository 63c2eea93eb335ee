"""What a list shows is what a single check lets see (rulings 7, access.md 5)."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.access.policy import Action, Resource, may
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from tests.domain.making import AGENTS, OWN_UNIT, OWNER, STRANGER, agents, resources

levels = st.frozensets(st.sampled_from(Visibility))


def test_rulings_7_a_scope_admits_exactly_what_may_be_seen() -> None:
    for agent, level, creator, unit, permitted in product(
        AGENTS.values(), Visibility, (OWNER, STRANGER, None), (OWN_UNIT, None), (True, False)
    ):
        thing = Resource("thing", level, creator, permitted, unit)
        assert Scope.of(agent).admits(thing) == may(agent, Action.SEE, thing), (agent, thing)


@given(agents, resources, levels)
def test_the_callers_filter_narrows_and_never_widens(
    agent: Any, thing: Resource, wanted: frozenset[Visibility]
) -> None:
    expected = may(agent, Action.SEE, thing) and thing.visibility in wanted
    assert Scope.of(agent, wanted).admits(thing) == expected


@given(resources)
def test_the_platform_and_administrators_list_everything(thing: Resource) -> None:
    assert Scope.of(AGENTS["backend"]).admits(thing)
    assert Scope.of(AGENTS["admin"]).admits(thing)

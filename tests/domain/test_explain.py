"""An explanation is the policy, asked again with the facts changed (issue 5 part 4)."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.explain import (
    ACTIONS,
    RULES,
    AccessVerb,
    Case,
    Ground,
    explain,
)
from pepeunit.domain.access.policy import Resource, may
from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.access.visibility import Visibility
from tests.domain.making import AGENTS, OWN_UNIT, OWNER, agents, api_agents, resources

PUBLISH, SUBSCRIBE = AccessVerb.MQTT_PUBLISH, AccessVerb.MQTT_SUBSCRIBE
SET, READ = AccessVerb.SET_INPUT, AccessVerb.READ
PUBLIC, INTERNAL, PRIVATE = Visibility.PUBLIC, Visibility.INTERNAL, Visibility.PRIVATE
YES = {
    Ground.OWNER,
    Ground.ITS_UNIT,
    Ground.PERMISSION,
    Ground.LINK,
    Ground.PUBLIC,
    Ground.INTERNAL,
    Ground.ADMINISTRATOR,
    Ground.PLATFORM,
}
cases = st.builds(Case, agents | api_agents, resources, st.booleans(), st.booleans())
verbs = st.sampled_from(AccessVerb)


@given(cases, verbs)
def test_a_verdict_is_the_policys_and_has_a_reason_of_its_kind(
    case: Case, verb: AccessVerb
) -> None:
    verdict = explain(case, verb)
    thing = case.thing.for_agent(permitted=case.has_row or case.has_link)
    assert verdict.is_allowed is may(case.agent, ACTIONS[verb], thing)
    assert verdict.grounds
    assert len(set(verdict.grounds)) == len(verdict.grounds)
    assert {ground in YES for ground in verdict.grounds} == {verdict.is_allowed}


def test_every_ground_has_a_rule_and_a_line_it_comes_from() -> None:
    assert set(RULES) == set(Ground)
    assert all(text and cites for text, cites in RULES.values())


def a_node(level: Visibility, **facts: object) -> Resource:
    return evolve(Resource("node", level, OWNER, unit=OWN_UNIT), **facts)


INPUT = {"is_input": True}
REWRITABLE = {"is_input": True, "is_rewritable": True}


@pytest.mark.parametrize(
    ("who", "verb", "thing", "row", "grounds", "changes"),
    [
        ("owner", READ, a_node(PRIVATE), False, "owner", []),
        ("its unit", PUBLISH, a_node(PRIVATE), False, "its_unit", []),
        ("stranger", READ, a_node(PRIVATE), True, "permission", [["delete its permission"]]),
        (
            "other unit",
            SUBSCRIBE,
            a_node(INTERNAL),
            True,
            "permission internal",
            [["delete its permission", "make the node Private"]],
        ),
        (
            "other unit",
            SUBSCRIBE,
            a_node(PRIVATE),
            False,
            "hidden",
            [["give it a permission"], ["make the node Public"], ["make the node Internal"]],
        ),
        (
            "other unit",
            PUBLISH,
            a_node(PRIVATE, **INPUT),
            False,
            "hidden not_rewritable",
            [
                ["give it a permission", "make the input rewritable"],
                ["make the node Public", "make the input rewritable"],
                ["make the node Internal", "make the input rewritable"],
            ],
        ),
        (
            "other unit",
            PUBLISH,
            a_node(PUBLIC, **REWRITABLE),
            False,
            "public",
            [["make the node Private"], ["make the input not rewritable"]],
        ),
        ("other unit", PUBLISH, a_node(PUBLIC), False, "not_its_output", []),
        ("stranger", PUBLISH, a_node(PUBLIC, **REWRITABLE), False, "no_mqtt", []),
        ("stranger", SET, a_node(PUBLIC), False, "not_an_input", []),
        ("bot", SET, a_node(PUBLIC, **REWRITABLE), False, "anonymous", []),
        ("bot", READ, a_node(INTERNAL), False, "hidden", [["make the node Public"]]),
        ("admin", READ, a_node(PRIVATE), False, "administrator", [["demote it"]]),
        (
            "admin",
            SET,
            a_node(PRIVATE, **REWRITABLE),
            False,
            "hidden",
            [["give it a permission"], ["make the node Public"], ["make the node Internal"]],
        ),
        ("backend", PUBLISH, a_node(PRIVATE, **INPUT), False, "platform", []),
        ("backend", PUBLISH, a_node(PRIVATE), False, "not_its_output", []),
    ],
)
def test_what_is_said_of_each_case(
    who: str, verb: AccessVerb, thing: Resource, row: bool, grounds: str, changes: list[list[str]]
) -> None:
    verdict = explain(Case(AGENTS[who], thing, has_row=row), verb)
    assert " ".join(ground.value for ground in verdict.grounds) == grounds
    assert [list(texts) for texts in verdict.changes] == changes


def test_an_api_token_is_told_that_it_is_the_reason() -> None:
    reader = AGENTS["owner"].restricted(Restriction(TokenScope.READ))
    verdict = explain(Case(reader, a_node(PUBLIC, **INPUT)), SET)
    assert verdict.grounds == (Ground.API_TOKEN,)
    assert verdict.changes == (("sign in instead",),)


def test_a_right_by_row_and_by_link_ends_with_both() -> None:
    case = Case(Agent.unit(OWN_UNIT), evolve(a_node(PRIVATE), unit=None), True, True)
    verdict = explain(case, SUBSCRIBE)
    assert verdict.grounds == (Ground.PERMISSION, Ground.LINK)
    assert verdict.changes == (("delete its permission", "cut the link between their nodes"),)

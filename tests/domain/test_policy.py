"""Who may do what: the matrix of access.md 4 and 6.2 as the rulings settle it, cell by cell.

Every row quotes the line it comes from. A cell is *owner · admin · stranger with a permission ·
stranger · its unit · other unit with a permission · other unit · bot · backend*; ``y`` may,
``-`` may not. Facts about the thing are in the row.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given

from pepeunit.domain.access.agent import AgentKind
from pepeunit.domain.access.policy import (
    Action,
    Resource,
    may,
    require,
    require_admin,
    require_kind,
)
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, NotFound, Topic
from tests.domain.making import AGENTS, OWN_UNIT, OWNER, agents, resources, visibilities

COLUMNS = (
    ("owner", False),
    ("admin", False),
    ("stranger", True),
    ("stranger", False),
    ("its unit", False),
    ("other unit", True),
    ("other unit", False),
    ("bot", False),
    ("backend", False),
)
PUBLIC, INTERNAL, PRIVATE = Visibility.PUBLIC, Visibility.INTERNAL, Visibility.PRIVATE
OUTPUT: dict[str, Any] = {}
INPUT: dict[str, Any] = {"is_input": True}
REWRITABLE: dict[str, Any] = {"is_input": True, "is_rewritable": True}
VALID: dict[str, Any] = {"credentials_valid": True}
BUILT: dict[str, Any] = {"builds_on_it": True}

#     action, visibility, facts, "o a p s u P O b B", spec
MATRIX: list[tuple[Action, Visibility, dict[str, Any], str, str]] = [
    (Action.SEE, PUBLIC, {}, "y y y y y y y y y", "3.2 Public: yes, yes, yes, yes"),
    (Action.SEE, INTERNAL, {}, "y y y y y y y - y", "3.2 Internal: any Unit of the instance"),
    (Action.SEE, PRIVATE, {}, "y y y - y y - - y", "3.2 Private: permission row; rulings 8: admin"),
    *(
        (
            Action.CHANGE,
            level,
            {},
            "y - - - - - - - -",
            "4.3 updateUnit, deleteUnit: Y =U - - - - -",
        )
        for level in Visibility
    ),
    *(
        (
            action,
            level,
            {},
            "y - - - y - - - -",
            "4.3 getUnitEnv, firmware, storage, commands: Y, itself",
        )
        for level in Visibility
        for action in (Action.OPERATE, Action.LOOK_INTO, Action.TAKE_ENV, Action.STORE)
    ),
    *(
        (Action.INSPECT, level, {}, "y - - - - - - - -", "rulings 13: Pipe config: creator")
        for level in Visibility
    ),
    *(
        (
            Action.EXPLAIN,
            level,
            {},
            "y y - - - - - - -",
            "issue 5 part 4: the node's owner, and administrators, which is audited",
        )
        for level in Visibility
    ),
    (Action.BUILD_FROM, PUBLIC, {}, "y y y y - - - - -", "C3 require sight of the Repo"),
    (Action.BUILD_FROM, INTERNAL, {}, "y y y y - - - - -", "C3 require sight of the Repo"),
    (
        Action.BUILD_FROM,
        PRIVATE,
        {},
        "y - y - - - - - -",
        "W12 and rulings 8: the admin bypass is for reads, archives never open to them",
    ),
    (Action.LINK_OUTPUT, PUBLIC, {}, "y y y y - - - - -", "rulings 11: see the output"),
    (Action.LINK_OUTPUT, INTERNAL, {}, "y y y y - - - - -", "rulings 11: see the output"),
    (Action.LINK_OUTPUT, PRIVATE, {}, "y - y - - - - - -", "rulings 8, 11: no bypass to link"),
    *(
        (Action.LINK_INPUT, level, INPUT, "y - - - - - - - -", "W29, rulings 11: own the input")
        for level in Visibility
    ),
    *(
        (Action.SET_INPUT, level, INPUT, "y - - - y - - - -", "rulings 12: its owner always")
        for level in Visibility
    ),
    (
        Action.SET_INPUT,
        PUBLIC,
        REWRITABLE,
        "y y y y y y y - y",
        "rulings 12: who sees it, if rewritable",
    ),
    (Action.SET_INPUT, INTERNAL, REWRITABLE, "y y y y y y y - y", "rulings 12"),
    (
        Action.SET_INPUT,
        PRIVATE,
        REWRITABLE,
        "y - y - y y - - y",
        "rulings 12; 8: no bypass to write",
    ),
    *(
        (Action.SET_INPUT, level, OUTPUT, "- - - - - - - - -", "devices.md 8: Input only (8)")
        for level in Visibility
    ),
    *(
        (Action.PUBLISH, level, OUTPUT, "- - - - y - - - -", "C7 a Unit is the exclusive publisher")
        for level in Visibility
    ),
    *(
        (Action.PUBLISH, level, INPUT, "- - - - y - - - y", "6.2 Backend publishes to Input nodes")
        for level in Visibility
    ),
    (Action.PUBLISH, PUBLIC, REWRITABLE, "- - - - y y y - y", "6.2 a visible rewritable Input"),
    (Action.PUBLISH, INTERNAL, REWRITABLE, "- - - - y y y - y", "6.2 a visible rewritable Input"),
    (Action.PUBLISH, PRIVATE, REWRITABLE, "- - - - y y - - y", "6.2 a visible rewritable Input"),
    (
        Action.SUBSCRIBE,
        PUBLIC,
        {},
        "- - - - y y y - y",
        "6.2 any node it sees; 7: users get no MQTT",
    ),
    (Action.SUBSCRIBE, INTERNAL, {}, "- - - - y y y - y", "6.2 any node it sees"),
    (Action.SUBSCRIBE, PRIVATE, {}, "- - - - y y - - y", "6.2 any node it sees"),
    (Action.USE_REMOTE, PUBLIC, {}, "y y y y - - - - y", "4.2 createRepo, Public: Y"),
    (
        Action.USE_REMOTE,
        INTERNAL,
        {},
        "- - - - - - - - y",
        "4.2 no valid credentials, creator included",
    ),
    (Action.USE_REMOTE, INTERNAL, BUILT, "- - - - - - - - y", "rulings 10: own Valid credentials"),
    (Action.USE_REMOTE, INTERNAL, VALID, "y y y y - - - - y", "4.2 own `Valid` credentials"),
    (Action.READ_HISTORY, PUBLIC, {}, "y y y y - - - - y", "4.2 getBranchCommits: Bot -"),
    (Action.READ_HISTORY, INTERNAL, {}, "- - - - - - - - y", "C12 only with credentials"),
    (Action.READ_HISTORY, INTERNAL, VALID, "y y y y - - - - y", "C12 with Valid credentials"),
    (
        Action.READ_HISTORY,
        INTERNAL,
        BUILT,
        "y y y y - - - - y",
        "rulings 10: seeing a Repo suffices",
    ),
    (Action.HOLD_CREDENTIALS, INTERNAL, {}, "y y y y - - - - -", "4.2 setCredentials: own entry"),
]


def a_thing(level: Visibility, **facts: Any) -> Resource:
    return evolve(Resource("thing", level, creator=OWNER, unit=OWN_UNIT), **facts)


CELLS = [
    pytest.param(
        action,
        a_thing(level, permitted=permitted, **facts),
        agent,
        answer == "y",
        id=f"{action.name} {spec} · {agent} {permitted}",
    )
    for action, level, facts, row, spec in MATRIX
    for (agent, permitted), answer in zip(COLUMNS, row.split(), strict=True)
]


@pytest.mark.parametrize(("action", "thing", "agent", "expected"), CELLS)
def test_w1_each_cell_of_the_matrix(
    action: Action, thing: Resource, agent: str, expected: bool
) -> None:
    assert may(AGENTS[agent], action, thing) is expected


def test_every_action_is_in_the_matrix() -> None:
    assert {action for action, *_ in MATRIX} == set(Action)


@given(agents, resources)
def test_who_may_do_anything_but_use_a_remote_sees_the_thing(agent: Any, thing: Resource) -> None:
    for action in set(Action) - {Action.USE_REMOTE, Action.READ_HISTORY}:
        if may(agent, action, thing):
            assert may(agent, Action.SEE, thing)


@given(agents, resources, visibilities)
def test_a_wider_level_never_takes_a_right_away(
    agent: Any, thing: Resource, level: Visibility
) -> None:
    if level.is_wider_than(thing.visibility):
        wider = evolve(thing, visibility=level)
        for action in Action:
            assert may(agent, action, wider) >= may(agent, action, thing)


@given(agents, resources)
def test_a_permission_never_takes_a_right_away(agent: Any, thing: Resource) -> None:
    without, with_one = thing.for_agent(permitted=False), thing.for_agent(permitted=True)
    for action in Action:
        assert may(agent, action, with_one) >= may(agent, action, without)


@given(resources)
def test_an_anonymous_caller_does_nothing_but_see_what_is_public(thing: Resource) -> None:
    for action in Action:
        allowed = action is Action.SEE and thing.visibility is PUBLIC
        assert may(AGENTS["bot"], action, thing) is allowed


@given(agents, resources)
def test_rulings_1_what_is_not_seen_is_refused_as_absent(agent: Any, thing: Resource) -> None:
    for action in Action:
        if may(agent, action, thing):
            require(agent, action, thing)
        elif may(agent, Action.SEE, thing):
            with pytest.raises(Forbidden) as refused:
                require(agent, action, thing)
            assert refused.value.topic is Topic.ACCESS
        else:
            with pytest.raises(NotFound) as absent:
                require(agent, action, thing)
            assert absent.value.message == f"{thing.name} not found"


def test_an_operation_for_other_kinds_is_forbidden() -> None:
    with pytest.raises(Forbidden):
        require_kind(AGENTS["bot"], AgentKind.USER, AgentKind.UNIT)
    require_kind(AGENTS["owner"], AgentKind.USER)


@pytest.mark.parametrize("name", sorted(set(AGENTS) - {"admin"}))
def test_only_an_administrator_passes_for_one(name: str) -> None:
    with pytest.raises(Forbidden):
        require_admin(AGENTS[name])
    require_admin(AGENTS["admin"])


@given(visibilities, visibilities)
def test_tightening_to_a_parent_gives_the_stricter_level(a: Visibility, b: Visibility) -> None:
    level = a.tightened_to(b)
    assert level in (a, b)
    assert not level.is_wider_than(a) and not level.is_wider_than(b)
    assert not a.is_wider_than(a)

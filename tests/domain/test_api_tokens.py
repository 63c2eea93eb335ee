"""What an API token leaves of its user's rights (W26, issue 5 part 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.api_tokens import (
    API_TOKEN_LIFETIME_MAX,
    ApiToken,
    api_token_digest,
    api_token_text,
    is_api_token,
    name_violations,
    require_intact,
)
from pepeunit.domain.access.policy import (
    Action,
    Resource,
    may,
    require,
    require_admin,
    require_person,
    require_scope,
)
from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, NotFound, Unauthenticated
from pepeunit.domain.ids import ApiTokenId
from pepeunit.domain.users.user import UserRole
from tests.domain.making import (
    AGENTS,
    NOW,
    OTHER_UNIT,
    OWN_UNIT,
    OWNER,
    PEOPLE,
    api_agents,
    resources,
    visibilities,
)

READ, CONTROL, OWN = TokenScope.READ, TokenScope.CONTROL, TokenScope.OWN
#     action, the scopes that may, of a thing that is the user's own
NEEDED: dict[Action, tuple[TokenScope, ...]] = {
    Action.SEE: (READ, CONTROL, OWN),
    Action.READ_HISTORY: (READ, CONTROL, OWN),
    Action.INSPECT: (READ, CONTROL, OWN),
    Action.LOOK_INTO: (READ, CONTROL, OWN),
    Action.EXPLAIN: (READ, CONTROL, OWN),
    Action.OPERATE: (CONTROL, OWN),
    Action.SET_INPUT: (CONTROL, OWN),
    Action.CHANGE: (OWN,),
    Action.STORE: (OWN,),
    Action.TAKE_ENV: (OWN,),
    Action.BUILD_FROM: (OWN,),
    Action.USE_REMOTE: (OWN,),
    Action.LINK_INPUT: (OWN,),
    Action.LINK_OUTPUT: (OWN,),
    Action.HOLD_CREDENTIALS: (),
    Action.PUBLISH: (),
    Action.SUBSCRIBE: (),
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("scope", TokenScope)
def test_w26_each_scope_does_what_it_names_and_no_more(action: Action, scope: TokenScope) -> None:
    thing = Resource(
        "node", Visibility.PUBLIC, OWNER, unit=OWN_UNIT, is_input=True, credentials_valid=True
    )
    agent = AGENTS["owner"].restricted(Restriction(scope))
    assert may(agent, action, thing) is (scope in NEEDED[action])


@given(api_agents, resources)
def test_w26_an_api_token_never_does_more_than_its_user(agent: Agent, thing: Resource) -> None:
    person = evolve(agent, restriction=None)
    for action in Action:
        assert may(agent, action, thing) <= may(person, action, thing)


@given(api_agents, resources)
def test_w26_a_wider_scope_never_takes_a_right_away(agent: Agent, thing: Resource) -> None:
    assert agent.restriction is not None
    for scope in TokenScope:
        other = agent.restricted(evolve(agent.restriction, scope=scope))
        for action in Action:
            if scope.holds(agent.restriction.scope):
                assert may(other, action, thing) >= may(agent, action, thing)


@given(resources, st.sampled_from(TokenScope))
def test_w26_an_administrators_api_token_sees_what_any_user_sees(
    thing: Resource, scope: TokenScope
) -> None:
    admin = AGENTS["admin"]
    plain = evolve(admin, role=UserRole.USER)
    restricted = admin.restricted(Restriction(scope))
    for action in Action:
        assert may(restricted, action, thing) <= may(plain, action, thing)


@given(api_agents, resources)
def test_w26_limited_to_units_nothing_else_is_there(agent: Agent, thing: Resource) -> None:
    limit = agent.restriction
    assert limit is not None
    if limit.units is not None and thing.unit not in limit.units:
        for action in Action:
            assert not may(agent, action, thing)
            with pytest.raises(NotFound):
                require(agent, action, thing)


@given(api_agents, resources, st.none() | st.frozensets(visibilities))
def test_rulings_7_w26_a_scope_admits_exactly_what_an_api_token_may_see(
    agent: Agent, thing: Resource, wanted: Any
) -> None:
    expected = may(agent, Action.SEE, thing) and (wanted is None or thing.visibility in wanted)
    assert Scope.of(agent, wanted).admits(thing) is expected


@given(api_agents, resources, resources)
def test_w26_an_api_token_finds_the_links_it_may_cut(
    agent: Agent, output: Resource, input_: Resource
) -> None:
    if any(may(agent, Action.CHANGE, end) for end in (output, input_)):
        assert Scope.of(agent).admits_link(output, input_)
    limit = agent.restriction
    assert limit is not None
    if limit.units is not None and not any(limit.reaches(end.unit) for end in (output, input_)):
        assert not Scope.of(agent).admits_link(output, input_)


def test_w26_a_refusal_tells_of_the_token_where_the_token_is_the_reason() -> None:
    thing = Resource("unit", Visibility.PUBLIC, OWNER, unit=OWN_UNIT)
    reader = Restriction(READ)
    with pytest.raises(Forbidden, match=r"^this API token may not change this unit$"):
        require(AGENTS["owner"].restricted(reader), Action.CHANGE, thing)
    with pytest.raises(Forbidden, match=r"^you may not change this unit$"):
        require(AGENTS["stranger"].restricted(Restriction(OWN)), Action.CHANGE, thing)


@pytest.mark.parametrize("agent", PEOPLE)
def test_w26_no_api_token_administrates_or_passes_for_a_person(agent: Agent) -> None:
    require_person(agent)
    for scope in TokenScope:
        restricted = agent.restricted(Restriction(scope))
        assert not restricted.is_admin
        for refuses in (require_person, require_admin):
            with pytest.raises(Forbidden):
                refuses(restricted)


def test_w26_operations_about_no_one_thing_need_a_scope_without_a_limit() -> None:
    require_scope(AGENTS["owner"], OWN)
    require_scope(AGENTS["owner"].restricted(Restriction(OWN)), READ)
    for limit, needed in (
        (Restriction(READ), OWN),
        (Restriction(CONTROL), OWN),
        (Restriction(OWN, frozenset({OWN_UNIT, OTHER_UNIT})), READ),
    ):
        with pytest.raises(Forbidden):
            require_scope(AGENTS["owner"].restricted(limit), needed)


@given(st.binary(min_size=32, max_size=32))
def test_w26_a_text_is_recognised_and_a_mistyped_one_is_refused_unasked(secret: bytes) -> None:
    text = api_token_text(secret)
    assert is_api_token(text) and text.startswith("pu_") and text[3:].isalnum()
    assert len(text) == 52
    require_intact(text)
    assert api_token_digest(text) not in text
    other = "a" if text[20] != "a" else "b"
    for wrong in (text[:-1], text + "0", text[:20] + other + text[21:], "pu_", "pu_" + "é" * 49):
        with pytest.raises(Unauthenticated):
            require_intact(wrong)


def test_w26_a_jwt_is_no_api_token() -> None:
    assert not is_api_token("eyJhbGciOiJIUzI1NiJ9.e30.x")


@pytest.mark.parametrize(
    ("name", "fits"),
    [("backup", True), ("Grafana, hall 2", True), ("", False), ("x" * 65, False), ("a\nb", False)],
)
def test_a_name_is_short_and_printable(name: str, fits: bool) -> None:
    assert (not list(name_violations(name))) is fits


def a_token(**given: Any) -> ApiToken:
    token = ApiToken(
        uuid=ApiTokenId(uuid4()),
        digest=api_token_digest("pu_x"),
        hint="abcd",
        name="backup",
        creator_uuid=OWNER,
        scope=READ,
        units=None,
        create_datetime=NOW,
    )
    return evolve(token, **given)


def test_w26_an_api_token_expires_and_its_digest_is_never_shown() -> None:
    token = a_token(expiration_datetime=NOW + API_TOKEN_LIFETIME_MAX)
    assert token.is_valid(NOW)
    assert not token.is_valid(NOW + API_TOKEN_LIFETIME_MAX)
    assert a_token().is_valid(NOW + timedelta(days=10_000))
    assert token.digest not in repr(token)


def test_last_use_is_due_once_a_minute() -> None:
    assert a_token().is_use_due(NOW)
    used = a_token(last_use_datetime=NOW)
    assert not used.is_use_due(NOW + timedelta(seconds=59))
    assert used.is_use_due(NOW + timedelta(seconds=60))

"""The generations of a device's token, and who is told of what (rulings 8 and 16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import attrs
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.access.policy import Resource, uses_bypass
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import MASK, MASKED, OBSERVED, TEXT_LENGTH_MAX, difference
from pepeunit.domain.ids import UserId
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.units.unit import TOKEN_GRACE, Unit
from pepeunit.domain.users.registration import Invite, invite_digest
from pepeunit.domain.users.user import User, UserRole
from tests.doubles.rows import a_registry, a_repo, a_unit, a_user

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def unit() -> Unit:
    user = a_user()
    return a_unit(a_repo(a_registry(user), user), user)


@given(st.lists(st.sampled_from(["rotate", "revoke", "use", "wait"]), max_size=12))
def test_rulings_16_at_most_two_generations_are_valid_and_the_newest_always_is(
    steps: list[str],
) -> None:
    now, found = NOW, unit()
    for step in steps:
        match step:
            case "rotate":
                found = found.with_rotated_token(now)
            case "revoke":
                found = found.with_revoked_token()
            case "use":
                found = found.without_old_token()
            case _:
                now += TOKEN_GRACE
        newest = found.token_generation
        valid = [g for g in range(newest + 2) if found.accepts_token(g, now)]
        assert newest in valid and len(valid) <= 2 and max(valid) == newest
        if step in ("revoke", "use"):
            assert valid == [newest]


def test_rulings_16_the_old_generation_ends_with_the_grace() -> None:
    found = unit().with_rotated_token(NOW)
    assert found.accepts_token(0, NOW + TOKEN_GRACE - timedelta(seconds=1))
    assert not found.accepts_token(0, NOW + TOKEN_GRACE)


def test_rulings_16_after_the_grace_the_next_rotation_counts_from_the_newest() -> None:
    found = unit().with_rotated_token(NOW).with_rotated_token(NOW + TOKEN_GRACE)
    assert (found.old_token_generation, found.token_generation) == (1, 2)


def test_a_difference_masks_secrets_and_leaves_out_what_nobody_decided() -> None:
    user = a_user()
    changed = evolve(user, login="new", password_hash="other", kept_token_id="jti")
    assert difference(user, changed) == {
        "login": (user.login, "new"),
        "password_hash": (MASK, MASK),
        "kept_token_id": (MASK, MASK),
    }
    before = unit()
    assert difference(before, evolve(before, built_tag="v2", is_online=True)) == {}
    long = difference(before, evolve(before, repo_branch="x" * 999))["repo_branch"]
    assert long[0] is None and long[1] is not None and len(long[1]) == TEXT_LENGTH_MAX + 1


@pytest.mark.parametrize("names", [MASKED, OBSERVED])
def test_every_special_field_of_the_audit_log_exists(names: frozenset[str]) -> None:
    known = {
        one.name
        for kind in (User, Unit, Node, Registry, Invite, ApiToken)
        for one in attrs.fields(kind)
    }
    assert names - {"sealed"} <= known


def test_rulings_8_only_an_administrators_sight_of_private_things_is_a_bypass() -> None:
    owner, other = UserId(uuid4()), UserId(uuid4())
    thing = Resource("unit", Visibility.PRIVATE, creator=owner)
    admin = Agent.user(other, UserRole.ADMIN)
    assert uses_bypass(admin, thing)
    assert not uses_bypass(admin, thing.for_agent(permitted=True))
    assert not uses_bypass(admin, evolve(thing, visibility=Visibility.INTERNAL))
    assert not uses_bypass(Agent.user(owner, UserRole.ADMIN), thing)
    assert not uses_bypass(Agent.user(other), thing)


def test_w25_an_invites_text_is_never_shown() -> None:
    user = a_user()
    invite = Invite(uuid4(), invite_digest("text"), user.uuid, NOW, NOW)  # type: ignore[arg-type]
    assert invite.digest not in repr(invite)
    assert invite_digest("text") != invite_digest("texT")

"""Values for the domain tests: makers with defaults, and strategies over the whole matrix."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from attrs import frozen
from hypothesis import strategies as st

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.policy import Resource
from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, RepoId, UnitId, UserId
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.version import Commit, Sha
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import UserRole

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

OWNER = UserId(UUID(int=1))
STRANGER = UserId(UUID(int=2))
ADMIN = UserId(UUID(int=3))
OWN_UNIT = UnitId(UUID(int=11))
OTHER_UNIT = UnitId(UUID(int=12))

AGENTS: dict[str, Agent] = {
    "bot": ANONYMOUS,
    "owner": Agent.user(OWNER),
    "stranger": Agent.user(STRANGER),
    "admin": Agent.user(ADMIN, UserRole.ADMIN),
    "its unit": Agent.unit(OWN_UNIT),
    "other unit": Agent.unit(OTHER_UNIT),
    "backend": BACKEND,
}

PEOPLE = [agent for agent in AGENTS.values() if agent.user_id is not None]
restrictions = st.builds(
    Restriction,
    st.sampled_from(TokenScope),
    st.none() | st.frozensets(st.sampled_from([OWN_UNIT, OTHER_UNIT])),
)
api_agents = st.builds(Agent.restricted, st.sampled_from(PEOPLE), restrictions)
uuids = st.uuids()
agents = st.sampled_from(list(AGENTS.values()))
visibilities = st.sampled_from(Visibility)
resources = st.builds(
    Resource,
    name=st.just("thing"),
    visibility=visibilities,
    creator=st.sampled_from([OWNER, STRANGER, ADMIN, None]),
    permitted=st.booleans(),
    unit=st.sampled_from([OWN_UNIT, OTHER_UNIT, None]),
    is_input=st.booleans(),
    is_rewritable=st.booleans(),
    credentials_valid=st.booleans(),
    builds_on_it=st.booleans(),
)


def sha(number: int) -> Sha:
    return Sha(f"{number:040x}")


def commit(number: int, tag: str | None = None) -> Commit:
    return Commit(sha(number), f"change {number}", tag)


@frozen
class UnitSettings:
    is_auto_update_from_repo_unit: bool = True
    repo_branch: str | None = None
    repo_commit: Sha | None = None


@frozen
class RepoSettings:
    is_auto_update_repo: bool = True
    is_only_tag_update: bool = True
    is_compilable_repo: bool = False
    default_branch: str | None = "main"
    default_commit: Sha | None = None


def a_unit(**changes: Any) -> Unit:
    facts: dict[str, Any] = {
        "uuid": OWN_UNIT,
        "name": "unit",
        "visibility_level": Visibility.PUBLIC,
        "repo_uuid": RepoId(UUID(int=21)),
        "creator_uuid": OWNER,
        "create_datetime": NOW,
        "last_update_datetime": NOW,
    }
    return Unit(**(facts | changes))


def a_node(number: int, kind: NodeType, name: str, **changes: Any) -> Node:
    facts: dict[str, Any] = {
        "uuid": NodeId(UUID(int=number)),
        "type": kind,
        "topic_name": name,
        "unit_uuid": OWN_UNIT,
        "creator_uuid": OWNER,
        "visibility_level": Visibility.PUBLIC,
        "create_datetime": NOW,
        "last_update_datetime": NOW,
    }
    return Node(**(facts | changes))

"""Read models of explained access; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.explain import RULES, AccessVerb, Ground, Verdict
from pepeunit.domain.access.node_access import AccessWho, AgentAccess, NodeAccess


@frozen
class AccessReasonModel:
    """``cites`` names the line of the specification that the rule comes from."""

    ground: Ground
    rule: str
    cites: str


@frozen
class AccessVerdictModel:
    """Each of ``changes`` alone would turn the verdict."""

    verb: AccessVerb
    is_allowed: bool
    reasons: Sequence[AccessReasonModel]
    changes: Sequence[str]


@frozen
class AgentAccessModel:
    """Without an uuid a whole class of agents; the name of an unseen unit is null."""

    who: AccessWho
    agent_uuid: UUID | None
    agent_name: str | None
    verdicts: Sequence[AccessVerdictModel]


@frozen
class NodeAccessModel:
    uuid: UUID
    topic: str
    access: AgentAccessModel


@frozen
class NodeAccessListModel:
    """``count`` is how many agents hold a permission or a link; a thousand of them are listed."""

    uuid: UUID
    topic: str
    count: int
    access: Sequence[AgentAccessModel]


def _verdict_model(verdict: Verdict) -> AccessVerdictModel:
    return AccessVerdictModel(
        verdict.verb,
        verdict.is_allowed,
        [AccessReasonModel(ground, *RULES[ground]) for ground in verdict.grounds],
        [" and ".join(texts) for texts in verdict.changes],
    )


def _agent_access_model(told: AgentAccess) -> AgentAccessModel:
    verdicts = [_verdict_model(verdict) for verdict in told.verdicts]
    return AgentAccessModel(told.who, told.uuid, told.name, verdicts)


def node_access_model(told: NodeAccess) -> NodeAccessModel:
    (one,) = told.access
    return NodeAccessModel(told.node, told.topic, _agent_access_model(one))


def node_access_list_model(told: NodeAccess) -> NodeAccessListModel:
    lines = [_agent_access_model(one) for one in told.access]
    return NodeAccessListModel(told.node, told.topic, told.count, lines)

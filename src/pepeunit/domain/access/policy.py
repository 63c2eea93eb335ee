"""Who may do what: the one policy every door and the broker ask (rulings 7-13).

A use case gathers the facts about one thing into a :class:`Resource`; :func:`may` is a pure
table over them. :func:`require` turns a *no* into the refusal the caller is allowed to learn.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, NotFound
from pepeunit.domain.ids import UnitId, UserId


class Action(enum.Enum):
    """What an agent wants of one resource."""

    SEE = "see"
    CHANGE = "change"
    """Owner operations: edit, delete, save an env, start a repo-wide update."""
    OPERATE = "operate"
    """What a unit may also do with itself: env, archives, schema, storage, commands, logs."""
    BUILD_FROM = "build units from"
    USE_REMOTE = "use the remote of"
    """Sync a registry and create repos on it."""
    READ_HISTORY = "read the history of"
    HOLD_CREDENTIALS = "hold credentials for"
    SET_INPUT = "set the input"
    PUBLISH = "publish to"
    SUBSCRIBE = "subscribe to"
    LINK_INPUT = "link the input"
    LINK_OUTPUT = "link the output"


@frozen
class Resource:
    """The facts about one thing that decide who may do what with it.

    ``permitted`` says whether a permission row joins the asking agent and this thing; ``unit``
    is the unit itself or the unit a node belongs to; ``credentials_valid`` whether the asking
    user's own credentials of a registry were accepted at the last probe; ``builds_on_it``
    whether the asking user sees a repo made from a registry.
    """

    name: str
    visibility: Visibility
    creator: UserId | None = None
    permitted: bool = False
    unit: UnitId | None = None
    is_input: bool = False
    is_rewritable: bool = False
    credentials_valid: bool = False
    builds_on_it: bool = False

    def for_agent(self, *, permitted: bool) -> Resource:
        return evolve(self, permitted=permitted)


def _owns(agent: Agent, thing: Resource) -> bool:
    return agent.user_id is not None and agent.user_id == thing.creator


def _is_its_unit(agent: Agent, thing: Resource) -> bool:
    return agent.unit_id is not None and agent.unit_id == thing.unit


def _sees(agent: Agent, thing: Resource) -> bool:
    """Administrators read everything that visibility rules (rulings 8, C1)."""
    return agent.is_admin or _is_shown(agent, thing)


def _is_shown(agent: Agent, thing: Resource) -> bool:
    """Sight that does not come from the administrator's role: what building on a thing, linking
    it and writing to it take, because that bypass is for reading alone."""
    if agent.kind is AgentKind.BACKEND:
        return True
    if _owns(agent, thing) or _is_its_unit(agent, thing):
        return True
    if thing.permitted and agent.uuid is not None:
        return True
    if agent.kind is AgentKind.BOT:
        return thing.visibility is Visibility.PUBLIC
    return thing.visibility is not Visibility.PRIVATE


def _owns_or_is_it(agent: Agent, thing: Resource) -> bool:
    return _owns(agent, thing) or _is_its_unit(agent, thing)


def _user_it_is_shown_to(agent: Agent, thing: Resource) -> bool:
    return agent.kind is AgentKind.USER and _is_shown(agent, thing)


def _has_the_remote(agent: Agent, thing: Resource) -> bool:
    if agent.kind is AgentKind.BACKEND:
        return True
    if agent.kind is not AgentKind.USER:
        return False
    return thing.visibility is Visibility.PUBLIC or thing.credentials_valid


def _reads_history(agent: Agent, thing: Resource) -> bool:
    return _has_the_remote(agent, thing) or (agent.kind is AgentKind.USER and thing.builds_on_it)


def _sets_input(agent: Agent, thing: Resource) -> bool:
    """Rulings 12: its owner always; whoever else sees it only if it is rewritable."""
    if not thing.is_input or agent.kind is AgentKind.BOT:
        return False
    return _owns_or_is_it(agent, thing) or (thing.is_rewritable and _is_shown(agent, thing))


def _publishes(agent: Agent, thing: Resource) -> bool:
    if agent.kind is AgentKind.BACKEND:
        return thing.is_input
    if agent.kind is not AgentKind.UNIT:
        return False
    return _sets_input(agent, thing) if thing.is_input else _is_its_unit(agent, thing)


def _subscribes(agent: Agent, thing: Resource) -> bool:
    return agent.kind in (AgentKind.UNIT, AgentKind.BACKEND) and _sees(agent, thing)


_RULES: Final[dict[Action, Callable[[Agent, Resource], bool]]] = {
    Action.SEE: _sees,
    Action.CHANGE: _owns,
    Action.OPERATE: _owns_or_is_it,
    Action.BUILD_FROM: _user_it_is_shown_to,
    Action.USE_REMOTE: _has_the_remote,
    Action.READ_HISTORY: _reads_history,
    Action.HOLD_CREDENTIALS: _user_it_is_shown_to,
    Action.SET_INPUT: _sets_input,
    Action.PUBLISH: _publishes,
    Action.SUBSCRIBE: _subscribes,
    Action.LINK_INPUT: _owns,
    Action.LINK_OUTPUT: _user_it_is_shown_to,
}


def may(agent: Agent, action: Action, thing: Resource) -> bool:
    """Whether the policy lets the agent do this."""
    return _RULES[action](agent, thing)


def uses_bypass(agent: Agent, thing: Resource) -> bool:
    """Whether an administrator sees this by his role alone, which is recorded (rulings 8)."""
    return agent.is_admin and not _is_shown(agent, thing)


def require(agent: Agent, action: Action, thing: Resource) -> None:
    """Raise ``NotFound`` for what the agent does not see, ``Forbidden`` for what it may not do."""
    if may(agent, action, thing):
        return
    if not _sees(agent, thing):
        raise NotFound(f"{thing.name} not found")
    raise Forbidden(f"you may not {action.value} this {thing.name}")


def require_kind(agent: Agent, *kinds: AgentKind) -> None:
    """Raise ``Forbidden`` when an operation is not for this kind of agent at all."""
    if agent.kind not in kinds:
        wanted = " or ".join(kind.value for kind in kinds)
        raise Forbidden(f"only a {wanted} may do this, you are a {agent.kind.value}")


def require_admin(agent: Agent) -> None:
    if not agent.is_admin:
        raise Forbidden("only an administrator may do this")

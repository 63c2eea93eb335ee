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
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, NotFound
from pepeunit.domain.ids import UnitId, UserId
from pepeunit.domain.users.user import UserRole


class Action(enum.Enum):
    """What an agent wants of one resource."""

    SEE = "see"
    CHANGE = "change"
    """Owner operations: edit, delete, save an env, start a repo-wide update."""
    INSPECT = "inspect"
    """What of a thing only its owner reads: pipe config, rollouts, who may see it."""
    LOOK_INTO = "look into"
    """What a unit may also read of itself: schema, versions, stored state, logs."""
    TAKE_ENV = "take the env of"
    """Env and archives, which hold the unit's token."""
    STORE = "store the state of"
    OPERATE = "operate"
    """Send commands; a unit may to itself."""
    EXPLAIN = "explain the access to"
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


def _explains(agent: Agent, thing: Resource) -> bool:
    return _owns(agent, thing) or agent.is_admin


_RULES: Final[dict[Action, Callable[[Agent, Resource], bool]]] = {
    Action.SEE: _sees,
    Action.CHANGE: _owns,
    Action.INSPECT: _owns,
    Action.LOOK_INTO: _owns_or_is_it,
    Action.TAKE_ENV: _owns_or_is_it,
    Action.STORE: _owns_or_is_it,
    Action.OPERATE: _owns_or_is_it,
    Action.EXPLAIN: _explains,
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


_NEEDS: Final[dict[Action, TokenScope]] = {
    Action.SEE: TokenScope.READ,
    Action.READ_HISTORY: TokenScope.READ,
    Action.INSPECT: TokenScope.READ,
    Action.LOOK_INTO: TokenScope.READ,
    Action.EXPLAIN: TokenScope.READ,
    Action.OPERATE: TokenScope.CONTROL,
    Action.SET_INPUT: TokenScope.CONTROL,
    Action.CHANGE: TokenScope.OWN,
    Action.TAKE_ENV: TokenScope.OWN,
    Action.STORE: TokenScope.OWN,
    Action.BUILD_FROM: TokenScope.OWN,
    Action.USE_REMOTE: TokenScope.OWN,
    Action.LINK_INPUT: TokenScope.OWN,
    Action.LINK_OUTPUT: TokenScope.OWN,
}
"""The least scope of an API token for each action; what is not here no API token does."""


def _token_lets(agent: Agent, action: Action, thing: Resource) -> bool:
    limit = agent.restriction
    if limit is None:
        return True
    needed = _NEEDS.get(action)
    return needed is not None and limit.scope.holds(needed) and limit.reaches(thing.unit)


def may(agent: Agent, action: Action, thing: Resource) -> bool:
    """Whether the policy lets the agent do this; an API token only ever takes rights away."""
    return _token_lets(agent, action, thing) and _RULES[action](agent, thing)


def uses_bypass(agent: Agent, thing: Resource, action: Action = Action.SEE) -> bool:
    """Whether an administrator may by his role alone, which is recorded (rulings 8)."""
    return agent.is_admin and not may(evolve(agent, role=UserRole.USER), action, thing)


def require(agent: Agent, action: Action, thing: Resource) -> None:
    """Raise ``NotFound`` for what the agent does not see, ``Forbidden`` for what it may not do."""
    if may(agent, action, thing):
        return
    if not may(agent, Action.SEE, thing):
        raise NotFound(f"{thing.name} not found")
    who = "you" if _token_lets(agent, action, thing) else "this API token"
    raise Forbidden(f"{who} may not {action.value} this {thing.name}")


def require_kind(agent: Agent, *kinds: AgentKind) -> None:
    """Raise ``Forbidden`` when an operation is not for this kind of agent at all."""
    if agent.kind not in kinds:
        wanted = " or ".join(kind.value for kind in kinds)
        raise Forbidden(f"only a {wanted} may do this, you are a {agent.kind.value}")


def require_person(agent: Agent) -> None:
    """Raise ``Forbidden`` for an API token: accounts, tokens, credentials and who may see what
    are for people who signed in."""
    if agent.restriction is not None:
        raise Forbidden("no API token may do this: sign in")


def require_scope(agent: Agent, needed: TokenScope) -> None:
    """The same for an API token without that scope, and for one that is limited to units: for
    operations that are about no one thing."""
    limit = agent.restriction
    if limit is not None and not (limit.units is None and limit.scope.holds(needed)):
        raise Forbidden("this API token may not do this")


def require_admin(agent: Agent) -> None:
    require_person(agent)
    if not agent.is_admin:
        raise Forbidden("only an administrator may do this")

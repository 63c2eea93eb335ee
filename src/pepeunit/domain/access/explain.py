"""Why an agent may or may not use a node's topic, and what would change it (issue 5 part 4).

Nothing here knows a rule. Each answer is :func:`~pepeunit.domain.access.policy.may`, asked again
with the facts changed: a ground is a fact that suffices alone, a change is one after which the
policy says the opposite. So an explanation cannot differ from what the doors and the broker do.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Final

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, Resource, may
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.users.user import UserRole

CHANGES_MAX: Final = 3
"""Longer lists of changes that would have to come together are not looked for."""


class AccessVerb(enum.Enum):
    """The first two are the broker's; REST and GraphQL do the others."""

    MQTT_PUBLISH = "mqtt_publish"
    MQTT_SUBSCRIBE = "mqtt_subscribe"
    SET_INPUT = "set_input"
    READ = "read"


ACTIONS: Final[Mapping[AccessVerb, Action]] = {
    AccessVerb.MQTT_PUBLISH: Action.PUBLISH,
    AccessVerb.MQTT_SUBSCRIBE: Action.SUBSCRIBE,
    AccessVerb.SET_INPUT: Action.SET_INPUT,
    AccessVerb.READ: Action.SEE,
}
_BY_MQTT: Final = (AccessVerb.MQTT_PUBLISH, AccessVerb.MQTT_SUBSCRIBE)


class Ground(enum.Enum):
    """The first line says why somebody may, the others why not."""

    OWNER = "owner"
    ITS_UNIT = "its_unit"
    PERMISSION = "permission"
    LINK = "link"
    PUBLIC = "public"
    INTERNAL = "internal"
    ADMINISTRATOR = "administrator"
    PLATFORM = "platform"

    HIDDEN = "hidden"
    NOT_REWRITABLE = "not_rewritable"
    NOT_ITS_OUTPUT = "not_its_output"
    NOT_AN_INPUT = "not_an_input"
    NO_MQTT = "no_mqtt"
    ANONYMOUS = "anonymous"
    API_TOKEN = "api_token"  # noqa: S105 a reason, not a secret
    BLOCKED = "blocked"


RULES: Final[Mapping[Ground, tuple[str, str]]] = {
    Ground.OWNER: ("the owner reads the node and sets it if it is an input", "rulings 12"),
    Ground.ITS_UNIT: ("a unit uses its own nodes", "access 6.2"),
    Ground.PERMISSION: ("a permission lets it see the node", "access 3.4"),
    Ground.LINK: ("a link between their nodes lets it see the node", "rulings 11"),
    Ground.PUBLIC: ("everybody sees a Public node", "access 3.2"),
    Ground.INTERNAL: ("every user and unit sees an Internal node", "access 3.2"),
    Ground.ADMINISTRATOR: ("administrators read what visibility rules", "rulings 8"),
    Ground.PLATFORM: ("the platform reads every node and publishes to inputs", "access 6.2"),
    Ground.HIDDEN: ("it does not see the node", "access 3.2"),
    Ground.NOT_REWRITABLE: ("others publish to an input only if it is rewritable", "rulings 12"),
    Ground.NOT_ITS_OUTPUT: ("a unit alone publishes to its outputs", "access 9 C7"),
    Ground.NOT_AN_INPUT: ("only inputs are set", "access 4.3"),
    Ground.NO_MQTT: ("MQTT is for units and the platform", "access 6.2"),
    Ground.ANONYMOUS: ("who is not signed in changes nothing", "access 9 C20"),
    Ground.API_TOKEN: ("the API token in use does not reach so far", "issue 5 part 5"),
    Ground.BLOCKED: ("the account is blocked, its sessions and units are refused", "access 10 W22"),
}
"""What each ground means, and the line it comes from."""


@frozen
class Case:
    """An agent before a node. ``has_row``: a permission joins them; ``has_link``: an edge does."""

    agent: Agent
    thing: Resource
    has_row: bool = False
    has_link: bool = False

    def allows(self, verb: AccessVerb) -> bool:
        thing = self.thing.for_agent(permitted=self.has_row or self.has_link)
        return may(self.agent, ACTIONS[verb], thing)


@frozen
class Verdict:
    """Each of ``changes`` would turn it alone; the texts in one belong together."""

    verb: AccessVerb
    is_allowed: bool
    grounds: tuple[Ground, ...]
    changes: tuple[tuple[str, ...], ...] = ()


def explain(case: Case, verb: AccessVerb) -> Verdict:
    is_allowed = case.allows(verb)
    grounds = _sufficient(case, verb) if is_allowed else _missing(case, verb)
    return Verdict(verb, is_allowed, tuple(grounds), tuple(_turning(case, verb)))


def blocked(verb: AccessVerb) -> Verdict:
    """Of who is refused before the policy is asked."""
    return Verdict(verb, False, (Ground.BLOCKED,), (("unblock the account",),))


def _sufficient(case: Case, verb: AccessVerb) -> Iterator[Ground]:
    """Every fact that suffices without the others."""
    agent, thing = case.agent, case.thing
    if agent.kind is AgentKind.BACKEND:
        yield Ground.PLATFORM
        return
    plain = evolve(agent, role=UserRole.USER, restriction=None)
    bare = evolve(thing, visibility=Visibility.PRIVATE, creator=None, unit=None)
    level = evolve(bare, visibility=thing.visibility)
    alone = {
        Ground.OWNER: Case(plain, evolve(bare, creator=thing.creator)),
        Ground.ITS_UNIT: Case(plain, evolve(bare, unit=thing.unit)),
        Ground.PERMISSION: Case(plain, bare, has_row=case.has_row),
        Ground.LINK: Case(plain, bare, has_link=case.has_link),
        Ground.PUBLIC if thing.visibility is Visibility.PUBLIC else Ground.INTERNAL: Case(
            plain, level
        ),
        Ground.ADMINISTRATOR: Case(evolve(agent, restriction=None), bare),
    }
    for ground, one in alone.items():
        if one.allows(verb) and not (ground is Ground.ADMINISTRATOR and not agent.is_admin):
            yield ground


def _missing(case: Case, verb: AccessVerb) -> Iterator[Ground]:
    agent, thing = case.agent, case.thing
    if agent.restriction is not None and evolve(case, agent=evolve(agent, restriction=None)).allows(
        verb
    ):
        yield Ground.API_TOKEN
    elif verb in _BY_MQTT and agent.kind in (AgentKind.USER, AgentKind.BOT):
        yield Ground.NO_MQTT
    elif verb is AccessVerb.SET_INPUT and not thing.is_input:
        yield Ground.NOT_AN_INPUT
    elif verb is AccessVerb.MQTT_PUBLISH and not thing.is_input:
        yield Ground.NOT_ITS_OUTPUT
    elif verb is AccessVerb.SET_INPUT and agent.kind is AgentKind.BOT:
        yield Ground.ANONYMOUS
    else:
        plain = evolve(case, agent=evolve(agent, role=UserRole.USER, restriction=None))
        if not plain.allows(AccessVerb.READ):
            yield Ground.HIDDEN
        if verb in (AccessVerb.MQTT_PUBLISH, AccessVerb.SET_INPUT) and not thing.is_rewritable:
            yield Ground.NOT_REWRITABLE


def _levelled(level: Visibility) -> Callable[[Case], Case]:
    return lambda case: evolve(case, thing=evolve(case.thing, visibility=level))


def _rewritable(*, wanted: bool) -> Callable[[Case], Case]:
    def change(case: Case) -> Case:
        is_rewritable = wanted and case.thing.is_input
        return evolve(case, thing=evolve(case.thing, is_rewritable=is_rewritable))

    return change


def _permitted(case: Case) -> Case:
    return evolve(case, has_row=case.agent.uuid is not None)


_CHANGES: Final[Mapping[str, Callable[[Case], Case]]] = {
    "give it a permission": _permitted,
    "delete its permission": lambda case: evolve(case, has_row=False),
    "cut the link between their nodes": lambda case: evolve(case, has_link=False),
    "make the node Public": _levelled(Visibility.PUBLIC),
    "make the node Internal": _levelled(Visibility.INTERNAL),
    "make the node Private": _levelled(Visibility.PRIVATE),
    "make the input rewritable": _rewritable(wanted=True),
    "make the input not rewritable": _rewritable(wanted=False),
    "demote it": lambda case: evolve(case, agent=evolve(case.agent, role=UserRole.USER)),
    "sign in instead": lambda case: evolve(case, agent=evolve(case.agent, restriction=None)),
}


def _turning(case: Case, verb: AccessVerb) -> Iterator[tuple[str, ...]]:
    """The smallest sets of changes after which the policy says the opposite."""
    before = case.allows(verb)
    open_ = {text: change for text, change in _CHANGES.items() if change(case) != case}
    found: list[set[str]] = []
    for size in range(1, CHANGES_MAX + 1):
        for texts in combinations(open_, size):
            if any(smaller <= set(texts) for smaller in found):
                continue
            changed = case
            for text in texts:
                changed = open_[text](changed)
            if changed.allows(verb) is not before:
                found.append(set(texts))
                yield texts

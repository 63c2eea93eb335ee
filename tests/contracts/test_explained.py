"""An explanation says what the broker does, for every agent of random worlds (issue 5 part 4)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

from attrs import evolve
from hypothesis import given, settings

from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.memory.broker import MemoryBroker
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.explain import ACTIONS, AccessVerb
from pepeunit.domain.access.node_access import CLASSES, AccessWho
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.domain.access.tokens import BackendClaims, UnitClaims, UserClaims
from pepeunit.domain.errors import NotFound, Refused
from pepeunit.domain.messaging.topic import node_topic
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.ports.database import Collections, Database
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.access.explain_access import ExplainAccess, ListAccess
from pepeunit.usecases.access.gates import node_for
from pepeunit.usecases.messages.authorize_topic import AnswerBroker, AuthorizeTopic, MqttAction
from tests.contracts.test_lists import EXAMPLES, SEEDS, town
from tests.doubles.rows import NOON, Town

DOMAIN = "iot.example"
MQTT = {
    AccessVerb.MQTT_PUBLISH: MqttAction.PUBLISH,
    AccessVerb.MQTT_SUBSCRIBE: MqttAction.SUBSCRIBE,
}


class Inside:
    """The use cases see the town's own transaction, which is rolled back."""

    def __init__(self, rows: Collections) -> None:
        self.rows = rows

    @asynccontextmanager
    async def read(self):
        yield self.rows

    begin = read


def lived_in(seed: int) -> Town:
    """A town with an administrator, a blocked user and rewritable inputs."""
    dice, built = Random(seed), Town.random(seed)
    built.users[0] = evolve(built.users[0], role=UserRole.ADMIN)
    built.users[1] = evolve(built.users[1], status=UserStatus.BLOCKED)
    built.nodes = [
        evolve(node, is_rewritable_input=node.type is NodeType.INPUT and dice.random() < 0.5)
        for node in built.nodes
    ]
    return built


def everybody(built: Town, tokens: JwtTokens) -> list[tuple[Agent, str]]:
    ends = int(NOON.timestamp()) + 3600
    return [
        *(
            (Agent.user(one.uuid, one.role), tokens.sign(UserClaims(one.uuid, ends).as_mapping()))
            for one in built.users
        ),
        *(
            (Agent.unit(one.uuid), tokens.sign(UnitClaims(one.uuid).as_mapping()))
            for one in built.units
        ),
        (ANONYMOUS, ""),
        (BACKEND, tokens.sign(BackendClaims(DOMAIN).as_mapping())),
    ]


def class_of(agent: Agent) -> AccessWho:
    if agent.is_admin:
        return AccessWho.ADMINISTRATORS
    return next(who for who, one in CLASSES.items() if one.kind is agent.kind and not one.is_admin)


@EXAMPLES
@given(seed=SEEDS)
async def test_c7_rulings_12_the_list_says_of_every_agent_what_the_broker_decides(
    seed: int,
) -> None:
    await compare(MemoryDatabase(), seed)


@settings(EXAMPLES, max_examples=4)
@given(seed=SEEDS)
async def test_c7_rulings_12_so_it_does_over_every_store(database: Database, seed: int) -> None:
    await compare(database, seed, nodes_max=2)


async def compare(database: Database, seed: int, nodes_max: int = 99) -> None:
    built = lived_in(seed)
    async with town(database, seed, built) as (_, tx):
        inside, tokens = Inside(tx), JwtTokens("k" * 44)
        authenticate = Authenticate(inside, tokens, lambda: NOON, MemoryBroker(), DOMAIN)
        broker = AnswerBroker(authenticate, AuthorizeTopic(inside, frozenset({DOMAIN})))
        listed, single = ListAccess(inside, DOMAIN), ExplainAccess(inside, DOMAIN)
        admin = Agent.user(built.users[0].uuid, UserRole.ADMIN)
        statuses = {user.uuid: user.status for user in built.users}
        makers = {unit.uuid: unit.creator_uuid for unit in built.units}
        for node in built.nodes[:nodes_max]:
            told = await listed(admin, node.uuid)
            assert told.topic == node_topic(DOMAIN, node.uuid, node.topic_name)
            by_agent = {line.uuid: line for line in told.access if line.uuid is not None}
            by_class = {line.who: line for line in told.access if line.uuid is None}
            for agent, token in everybody(built, tokens):
                line = by_agent.get(agent.uuid) or by_class[class_of(agent)]
                person = makers.get(agent.uuid, agent.uuid)
                is_barred = statuses.get(person) is UserStatus.BLOCKED
                for verdict in line.verdicts:
                    if verdict.verb in MQTT:
                        does = await broker(token, told.topic, MQTT[verdict.verb])
                    else:
                        does = not is_barred and await gate(inside, agent, verdict.verb, node)
                    if is_barred and agent.uuid not in by_agent:
                        assert does is False  # a class is about those who are not blocked
                    else:
                        assert verdict.is_allowed is does, (agent, node, verdict)
                await asked_alone(single, admin, agent, node, line.verdicts, is_barred)


async def gate(inside: Inside, agent: Agent, verb: AccessVerb, node: Node) -> bool:
    """What REST decides."""
    try:
        await node_for(inside.rows, agent, ACTIONS[verb], node.uuid)
    except Refused:
        return False
    return True


async def asked_alone(single, admin, agent, node, verdicts, is_barred) -> None:
    """The same answer for one, from the administrator and from the agent itself."""
    if agent.uuid is not None and agent.user_id != admin.user_id:
        kind = PermissionEntity.USER if agent.user_id else PermissionEntity.UNIT
        (alone,) = (await single(admin, node.uuid, (kind, agent.uuid))).access
        if not is_barred:
            assert [v.is_allowed for v in alone.verdicts] == [v.is_allowed for v in verdicts]
        else:
            assert not any(verdict.is_allowed for verdict in alone.verdicts)
    if agent is BACKEND or is_barred:
        return
    sees = next(v.is_allowed for v in verdicts if v.verb is AccessVerb.READ)
    try:
        (own,) = (await single(agent, node.uuid)).access
    except NotFound:
        assert not sees
    else:
        assert sees and [v.is_allowed for v in own.verdicts] == [v.is_allowed for v in verdicts]

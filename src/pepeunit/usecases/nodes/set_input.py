"""Give an input a value (spec devices.md 8, O21, rulings 12 and 32)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.topic import node_topic
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.publisher import Publisher
from pepeunit.usecases.access.gates import node_for
from pepeunit.usecases.nodes.shown import shown_node


@frozen
class SetInput:
    """Commits the state, then publishes; ``payload_bytes_max`` is the broker's limit."""

    database: Database
    publisher: Publisher
    clock: Clock
    domain: str
    payload_bytes_max: int

    async def __call__(self, agent: Agent, uuid: NodeId, state: str | None) -> Node:
        """The node with its new state; None clears the stored state and publishes nothing.

        Raises ``Invalid`` (topic node) for an output, ``OverLimit`` (topic mqtt) for a value the
        broker would refuse, ``Invalid`` (topic mqtt) when publishing failed: the state is kept.
        """
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        payload = _payload(state or "")
        if len(payload) > self.payload_bytes_max:
            raise OverLimit(
                f"the value has {len(payload)} bytes, at most {self.payload_bytes_max} fit",
                Topic.MQTT,
                limit=self.payload_bytes_max,
                actual=len(payload),
            )
        async with self.database.begin() as tx:
            node = await node_for(tx, agent, Action.SEE, uuid, for_update=True)
            if node.type is not NodeType.INPUT:
                raise Invalid("only an input can be set", Topic.NODE)
            await node_for(tx, agent, Action.SET_INPUT, uuid)
            now = self.clock()
            node = evolve(node, state=state, state_datetime=now, last_update_datetime=now)
            await tx.nodes.put([node])
        if state is not None:
            await self._publish(node, payload)
        return shown_node(agent, node)

    async def _publish(self, node: Node, payload: bytes) -> None:
        topic = node_topic(self.domain, node.uuid, node.topic_name)
        try:
            await self.publisher.publish(topic, payload)
        except Unavailable:
            raise Invalid("the value is stored, but publishing it failed", Topic.MQTT) from None


def _payload(state: str) -> bytes:
    try:
        return state.encode()
    except UnicodeEncodeError:
        raise Invalid([("state", "holds half a surrogate pair")], Topic.NODE) from None

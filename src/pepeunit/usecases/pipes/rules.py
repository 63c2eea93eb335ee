"""What every operation on pipes asks first (spec datapipe.md 1, 3; rulings 13)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Disabled, Invalid, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.pipes.config import PipeConfig, PolicyType
from pepeunit.ports.database import Collections
from pepeunit.usecases.access.gates import node_for


@frozen
class PipeForms:
    """How configs are written: YAML by people, JSON text in the store.

    ``read`` and ``load`` raise ``Invalid`` (topic pipe) for anything but a document and a stored
    config.
    """

    read: Callable[[bytes], object]
    load: Callable[[str], PipeConfig]
    dump: Callable[[PipeConfig], str]
    export: Callable[[PipeConfig], str]
    payload_bytes_max: int


@frozen
class PipeRules:
    """``is_enabled`` is ``PU_FF_DATAPIPE_ENABLE``."""

    forms: PipeForms
    is_enabled: bool = True

    def require_enabled(self) -> None:
        if not self.is_enabled:
            raise Disabled("data pipes are switched off on this instance")

    async def owned(
        self, rows: Collections, agent: Agent, uuid: NodeId, *, for_update: bool = False
    ) -> Node:
        """The node, for its creator."""
        self.require_enabled()
        require_kind(agent, AgentKind.USER)
        return await node_for(rows, agent, Action.CHANGE, uuid, for_update=for_update)

    async def readable(self, rows: Collections, agent: Agent, uuid: NodeId) -> Node:
        """The node, for those who may read its data: its creator and its own unit (B19)."""
        self.require_enabled()
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        return await node_for(rows, agent, Action.OPERATE, uuid)

    def config(self, node: Node) -> PipeConfig:
        """The config of a node whose pipe is active. Raises ``Invalid`` (topic pipe)."""
        require_active(node)
        if not node.data_pipe_yml:
            raise Invalid("the node has no config yet", Topic.PIPE)
        return self.forms.load(node.data_pipe_yml)

    def stored(self, node: Node) -> PipeConfig:
        """The same for a policy that stores rows."""
        config = self.config(node)
        if config.processing_policy.policy_type is PolicyType.LAST_VALUE:
            raise Invalid("LastValue keeps no rows, so there is no CSV of it", Topic.PIPE)
        return config


def require_active(node: Node) -> None:
    if not node.is_data_pipe_active:
        raise Invalid("the pipe of the node is not active", Topic.PIPE)

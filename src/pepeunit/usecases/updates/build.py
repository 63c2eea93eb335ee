"""Move a unit to a version inside a transaction (spec devices.md 7, rulings 21)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from attrs import evolve, frozen

from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.ids import CommandId, NodeId, PermissionId, UnitId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand, command_payload
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.nodes.reconcile import reconcile
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Transaction
from pepeunit.ports.identifiers import NewUuid
from pepeunit.usecases.pipes.await_pipes import AwaitPipes
from pepeunit.usecases.updates.programs import Program


@frozen
class Builder:
    """Changes a unit's nodes to what a program asks for, and queues commands."""

    clock: Clock
    new_uuid: NewUuid
    default_pipe: str | None = None
    """The stored config that new nodes with the suffix start with (spec datapipe.md 1)."""
    await_pipes: AwaitPipes | None = None
    """None where no device is told of new nodes."""

    async def build(self, tx: Transaction, unit: Unit, program: Program) -> Unit:
        """The unit on the program's version, its nodes reconciled, everything stored.

        New nodes belong to the unit's creator, who gets the permission with the unit itself (O14).
        Units that listened to a removed output are told by ``SchemaUpdate`` (O17). An ``Update``
        that still waits names a version that is no longer built: it is withdrawn.
        """
        await self.rebuild_nodes(tx, [unit], program)
        built = self.built_for(unit, program)
        await tx.units.put(built)
        if built.built_commit != unit.built_commit:
            await tx.outbox.withdraw(unit.uuid, CommandKind.UPDATE)
        return built

    def built_for(self, unit: Unit, program: Program) -> Unit:
        """The unit as it is to be stored once its nodes are the program's."""
        return evolve(
            unit,
            built_commit=program.version.commit,
            built_tag=program.version.tag,
            last_update_datetime=self.clock(),
        )

    async def rebuild_nodes(self, tx: Transaction, units: Sequence[Unit], program: Program) -> None:
        """Give stored units the nodes of the program."""
        if not units:
            return
        now = self.clock()
        nodes: dict[UnitId, list[Node]] = {unit.uuid: [] for unit in units}
        for node in await tx.nodes.of_units(nodes):
            nodes[node.unit_uuid].append(node)
        made: list[Node] = []
        gone: dict[NodeId, UnitId] = {}
        for unit in units:
            changes = reconcile(nodes[unit.uuid], program.schema.node_names())
            made += [self._node(unit, kind, name, now) for kind, name in changes.create]
            gone |= {node.uuid: unit.uuid for node in changes.delete}
        if gone:
            listeners = await listeners_of(tx, gone)
            await tx.nodes.delete(list(gone))
            for listener in sorted(listeners):
                await self.queue(tx, listener, CommandKind.SCHEMA_UPDATE)
        await tx.nodes.put(made)
        await tx.permissions.put([row for node in made for row in self._grants(node)])

    async def nodes_ready(self, units: Collection[UnitId]) -> None:
        """After the commit of :meth:`build` or :meth:`rebuild_nodes`, before a device is told: the
        pipes that new nodes came with rule what it sends, or a second has passed."""
        if self.default_pipe is not None and self.await_pipes is not None and units:
            await self.await_pipes(units)

    async def queue_update(self, tx: Transaction, unit: Unit, program: Program) -> Unit:
        """Queue ``Update`` and put the unit in ``RequestSent``; the program was announced."""
        await tx.outbox.put(self.update_command(unit, program))
        sent = evolve(unit, update=unit.update.sent(self.clock()))
        await tx.units.put(sent)
        return sent

    async def queue(self, tx: Transaction, unit: UnitId, kind: CommandKind) -> None:
        await tx.outbox.put(self._command(unit, kind, command_payload(kind)))

    def update_command(self, unit: Unit, program: Program) -> PendingCommand:
        payload = command_payload(CommandKind.UPDATE, program.version.commit, program.firmware)
        return self._command(unit.uuid, CommandKind.UPDATE, payload)

    def schema_command(self, unit: UnitId) -> PendingCommand:
        kind = CommandKind.SCHEMA_UPDATE
        return self._command(unit, kind, command_payload(kind))

    def _command(self, unit: UnitId, kind: CommandKind, payload: str) -> PendingCommand:
        return PendingCommand(CommandId(self.new_uuid()), unit, kind, payload, self.clock())

    def _node(self, unit: Unit, kind: NodeType, name: str, now: datetime) -> Node:
        node = Node(
            uuid=NodeId(self.new_uuid()),
            type=kind,
            topic_name=name,
            unit_uuid=unit.uuid,
            creator_uuid=unit.creator_uuid,
            visibility_level=unit.visibility_level,
            create_datetime=now,
            last_update_datetime=now,
        )
        if self.default_pipe is None or not node.can_have_pipe:
            return node
        piped = evolve(node, is_data_pipe_active=True, data_pipe_yml=self.default_pipe)
        return piped.with_pipe_status()

    def _grants(self, node: Node) -> tuple[Permission, Permission]:
        def grant(agent: UUID, kind: PermissionEntity) -> Permission:
            return Permission(
                PermissionId(self.new_uuid()),
                agent_uuid=agent,
                agent_type=kind,
                resource_uuid=node.uuid,
                resource_type=PermissionEntity.UNIT_NODE,
            )

        return (
            grant(node.unit_uuid, PermissionEntity.UNIT),
            grant(node.creator_uuid, PermissionEntity.USER),
        )


async def listeners_of(tx: Transaction, nodes: Mapping[NodeId, UnitId]) -> set[UnitId]:
    """Other units whose inputs are fed by one of these nodes, given with the unit of each."""
    if not nodes:
        return set()
    edges = [edge for edge in await tx.edges.touching(nodes) if edge.node_output_uuid in nodes]
    found = [(await tx.nodes.get(edge.node_input_uuid), edge) for edge in edges]
    return {
        node.unit_uuid
        for node, edge in found
        if node is not None and node.unit_uuid != nodes[edge.node_output_uuid]
    }

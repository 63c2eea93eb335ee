"""Move a unit to a version inside a transaction (spec devices.md 7, rulings 21)."""

from __future__ import annotations

from collections.abc import Collection
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
from pepeunit.usecases.updates.programs import Program


@frozen
class Builder:
    """Changes a unit's nodes to what a program asks for, and queues commands."""

    clock: Clock
    new_uuid: NewUuid

    async def build(self, tx: Transaction, unit: Unit, program: Program) -> Unit:
        """The unit on the program's version, its nodes reconciled, everything stored.

        New nodes belong to the unit's creator, who gets the permission with the unit itself (O14).
        Units that listened to a removed output are told by ``SchemaUpdate`` (O17). An ``Update``
        that still waits names a version that is no longer built: it is withdrawn.
        """
        now = self.clock()
        changes = reconcile(await tx.nodes.of_unit(unit.uuid), program.schema.node_names())
        gone = [node.uuid for node in changes.delete]
        listeners = await listeners_of(tx, gone) - {unit.uuid}
        await tx.nodes.delete(gone)
        built = evolve(
            unit,
            built_commit=program.version.commit,
            built_tag=program.version.tag,
            last_update_datetime=now,
        )
        await tx.units.put(built)
        made = [self._node(built, kind, name, now) for kind, name in changes.create]
        await tx.nodes.put(made)
        await tx.permissions.put([row for node in made for row in self._grants(node)])
        for listener in listeners:
            await self.queue(tx, listener, CommandKind.SCHEMA_UPDATE)
        if built.built_commit != unit.built_commit:
            await tx.outbox.withdraw(unit.uuid, CommandKind.UPDATE)
        return built

    async def queue_update(self, tx: Transaction, unit: Unit, program: Program) -> Unit:
        """Queue ``Update`` and put the unit in ``RequestSent``; the program was announced."""
        payload = command_payload(CommandKind.UPDATE, program.version.commit, program.firmware)
        await self._put(tx, unit.uuid, CommandKind.UPDATE, payload)
        sent = evolve(unit, update=unit.update.sent(self.clock()))
        await tx.units.put(sent)
        return sent

    async def queue(self, tx: Transaction, unit: UnitId, kind: CommandKind) -> None:
        await self._put(tx, unit, kind, command_payload(kind))

    async def _put(self, tx: Transaction, unit: UnitId, kind: CommandKind, payload: str) -> None:
        await tx.outbox.put(
            PendingCommand(CommandId(self.new_uuid()), unit, kind, payload, self.clock())
        )

    def _node(self, unit: Unit, kind: NodeType, name: str, now: datetime) -> Node:
        return Node(
            uuid=NodeId(self.new_uuid()),
            type=kind,
            topic_name=name,
            unit_uuid=unit.uuid,
            creator_uuid=unit.creator_uuid,
            visibility_level=unit.visibility_level,
            create_datetime=now,
            last_update_datetime=now,
        )

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


async def listeners_of(tx: Transaction, nodes: Collection[NodeId]) -> set[UnitId]:
    """The units whose inputs are fed by one of these nodes."""
    if not nodes:
        return set()
    wanted = set(nodes)
    edges = await tx.edges.touching(wanted)
    inputs = [edge.node_input_uuid for edge in edges if edge.node_output_uuid in wanted]
    found = [await tx.nodes.get(node) for node in inputs]
    return {node.unit_uuid for node in found if node is not None}

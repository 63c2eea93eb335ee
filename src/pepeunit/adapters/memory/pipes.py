"""The pipes of nodes in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from typing import Final

from attrs import evolve, frozen

from pepeunit.adapters.memory.world import Piped, View, World
from pepeunit.codecs.stored_pipe import record_limit
from pepeunit.codecs.text import require_storable
from pepeunit.domain.errors import NotFound, Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.node import Node, PipeStatus
from pepeunit.domain.pipes.series import FIRST_GENERATION, Series, Trim, trimmed
from pepeunit.ports.pipes import PipeSetting

_VERSIONS: Final = "pipe versions"
_GENERATIONS: Final = "series generations"


def note_pipe(world: World, new: Node) -> None:
    """Number the change when putting the node changes its pipe."""
    old = world.nodes.get(new.uuid)
    if old is None:
        is_changed = new.data_pipe_yml is not None
    else:
        before = (old.data_pipe_yml, old.is_data_pipe_active)
        is_changed = before != (new.data_pipe_yml, new.is_data_pipe_active)
    if is_changed:
        _number(world, new.uuid, world.piped.get(new.uuid, Piped()))


def _number(world: World, node: NodeId, piped: Piped) -> None:
    world.piped[node] = evolve(piped, version=world.next(_VERSIONS))


def _setting(node: Node, piped: Piped) -> PipeSetting:
    return PipeSetting(
        node=node.uuid,
        config=node.data_pipe_yml if node.is_data_pipe_active else None,
        generation=piped.generation,
        seq=piped.seq,
        version=piped.version,
    )


@frozen
class MemoryPipes:
    """Implements :class:`~pepeunit.ports.pipes.Pipes`."""

    view: View

    async def changed(self, after_version: int) -> Sequence[PipeSetting]:
        world = self.view.world
        settings = (
            _setting(world.nodes[uuid], piped)
            for uuid, piped in world.piped.items()
            if piped.version > after_version
        )
        return sorted(settings, key=lambda setting: setting.version)

    async def setting(self, node: NodeId) -> PipeSetting | None:
        world = self.view.world
        found = world.nodes.get(node)
        return None if found is None else _setting(found, world.piped.get(node, Piped()))

    async def newest(self, units: Collection[UnitId]) -> int:
        world, chosen = self.view.world, set(units)
        versions = (
            piped.version
            for uuid, piped in world.piped.items()
            if uuid in world.nodes and world.nodes[uuid].unit_uuid in chosen
        )
        return max(versions, default=0)

    async def count(self, up_to_version: int) -> int:
        return sum(0 < piped.version <= up_to_version for piped in self.view.world.piped.values())

    async def living(self, among: Collection[NodeId]) -> Set[tuple[NodeId, int]]:
        world = self.view.world
        return {
            (uuid, world.piped.get(uuid, Piped()).generation)
            for uuid in among
            if (node := world.nodes.get(uuid)) is not None and node.can_have_pipe
        }

    async def series(self, node: NodeId) -> Series | None:
        world = self.view.world
        if node not in world.nodes:
            return None
        piped = world.piped.get(node, Piped())
        limit = record_limit(world.nodes[node].data_pipe_yml)
        return Series(node, piped.generation, limit, piped.trims)

    async def renew(self, node: NodeId, *, seq: int = 0, generation: int | None = None) -> int:
        world, piped = self._for_writing(node)
        if generation is None:
            generation = await self.reserve()
        _number(world, node, evolve(piped, generation=generation, seq=seq, trims=()))
        return generation

    async def reserve(self) -> int:
        return self.view.for_writing().next(_GENERATIONS, FIRST_GENERATION + 1)

    async def trim(self, node: NodeId, trim: Trim) -> None:
        world, piped = self._for_writing(node)
        world.piped[node] = evolve(piped, trims=trimmed(piped.trims, trim))

    async def report(
        self, nodes: Collection[NodeId], status: PipeStatus, error: str | None
    ) -> None:
        require_storable([("error", error)])
        world = self.view.for_writing()
        for uuid in nodes:
            if uuid in world.nodes:
                world.nodes[uuid] = evolve(
                    world.nodes[uuid], data_pipe_status=status.value, data_pipe_error=error
                )

    def _for_writing(self, node: NodeId) -> tuple[World, Piped]:
        world = self.view.for_writing()
        if node not in world.nodes:
            raise NotFound(topic=Topic.NODE)
        return world, world.piped.get(node, Piped())

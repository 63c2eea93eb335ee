"""The pipes in force at one position of the journal, and what they remember of their nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from pepeunit.domain.errors import Invalid
from pepeunit.domain.messaging.record import ControlRow, NumberRow
from pepeunit.domain.nodes.node import PipeStatus
from pepeunit.domain.pipes.compiled import CompiledPipe, compile_pipe
from pepeunit.domain.pipes.config import PipeConfig
from pepeunit.domain.pipes.memory import NOT_DUE, NodeMemory
from pepeunit.domain.pipes.validation import read_config
from pepeunit.ports.checkpoint import Saved
from pepeunit.ports.record_codec import RecordCodec
from pepeunit.usecases.samples.checkpointer import Snapshot

CONFIGS_KEPT: Final = 64
GONE: Final = 0
"""As a generation: the node was deleted."""

Status = tuple[PipeStatus, str | None]
"""What is shown of a pipe, and the text of its error."""


def gone(node: UUID) -> ControlRow:
    """The setting of a deleted node."""
    return node, None, GONE, 0, 0


class Running:
    """A node under its setting. ``is_resolved`` once its config was looked at."""

    __slots__ = ("due_ms", "is_resolved", "memory", "setting")

    def __init__(self, setting: ControlRow, memory: NodeMemory) -> None:
        self.setting = setting
        self.memory = memory
        self.is_resolved = setting[1] is None
        self.due_ms = NOT_DUE
        """When it is next looked at for windows that ended."""


class PipesInForce:
    """One owner: the task that runs the pipes."""

    def __init__(self, payload_bytes_max: int) -> None:
        self._payload_bytes_max = payload_bytes_max
        self._configs: dict[str, PipeConfig | str] = {}
        """A config, or why it is none, by its text."""
        self._compiled: dict[PipeConfig, CompiledPipe] = {}
        self.nodes: dict[UUID, Running] = {}
        self.dirty: set[Running] = set()
        """Whose memory changed since the last checkpoint,"""
        self.changed: set[Running] = set()
        """and whose setting did."""
        self.gone: set[UUID] = set()
        self.dead: list[tuple[UUID, int]] = []
        """Series that nobody can read any more."""
        self.version = 0
        """Of the newest setting in force."""

    def restore(self, saved: Saved, codec: RecordCodec) -> None:
        """Begin where a checkpoint ended; configs are looked at when they are needed."""
        for row in saved.settings:
            packed = saved.memories.get(row[0])
            if packed is None:
                memory = NodeMemory(row[0], row[2])
            else:
                memory = NodeMemory.load(codec.unpack_memory(packed), row[0], row[2])
            self.nodes[row[0]] = Running(row, memory)
            self.version = max(self.version, row[4])

    def apply(self, row: ControlRow) -> Status | None:
        """Let a setting rule from now on; the status to show, None for a deleted node.

        A new generation forgets windows and begins to count at its ``seq``; filter state stays.
        An older setting than the one in force changes nothing: the node was found with it.
        """
        node, config, generation, seq, version = row
        self.version = max(self.version, version)
        known = self.nodes.get(node)
        if generation == GONE:
            if known is not None:
                self._forget(known)
            return None
        if known is not None and version < known.setting[4]:
            return None
        if known is None:
            known = self.nodes[node] = Running(row, NodeMemory(node, generation))
            known.memory.begin_series(generation, seq)
        elif known.setting[2] != generation:
            self.dead.append((node, known.setting[2]))
            known.memory.begin_series(generation, seq)
        known.setting = row
        self.gone.discard(node)
        self.dirty.add(known)
        self.changed.add(known)
        known.memory.compiled = None
        known.is_resolved = config is None
        if config is None:
            return PipeStatus.INACTIVE, None
        found = self._config(config)
        if isinstance(found, str):
            return PipeStatus.ERROR, found
        return PipeStatus.ACTIVE, None

    def count_on(self, rows: Iterable[NumberRow]) -> None:
        """Rows of these series are stored up to these numbers; other generations' matter not."""
        for node, generation, seq, window_seq in rows:
            known = self.nodes.get(node)
            if known is not None and known.setting[2] == generation:
                known.memory.count_on(seq, window_seq)
                self.dirty.add(known)

    def _forget(self, known: Running) -> None:
        node, _, generation, _, _ = known.setting
        del self.nodes[node]
        self.dirty.discard(known)
        self.changed.discard(known)
        known.memory.begin_series(GONE)
        self.gone.add(node)
        self.dead.append((node, generation))

    def resolve(self, running: Running) -> CompiledPipe | None:
        """The compiled pipe of a node, made when it is first needed; None when it cannot run."""
        running.is_resolved = True
        text = running.setting[1]
        config = self._config(text) if text is not None else ""
        if isinstance(config, str):
            return None
        compiled = self._compiled.get(config)
        if compiled is None:
            compiled = self._compiled[config] = compile_pipe(config)
        running.memory.compiled = compiled
        return compiled

    def _config(self, text: str) -> PipeConfig | str:
        found = self._configs.get(text)
        if found is None:
            try:
                found = read_config(json.loads(text), self._payload_bytes_max)
            except Invalid as refusal:
                found = str(refusal)
            except (ValueError, RecursionError):
                found = "the stored config is no JSON"
            self._configs[text] = found
        return found

    def touch(self, running: Running) -> None:
        """Its memory changed."""
        if self.nodes.get(running.setting[0]) is running:
            self.dirty.add(running)

    async def snapshot(self, position: int, codec: RecordCodec, slice_nodes: int) -> Snapshot:
        """What changed since the snapshot before; ``slice_nodes`` are written down in one go."""
        dirty, self.dirty = self.dirty, set()
        changed, self.changed = self.changed, set()
        departed, self.gone = self.gone, set()
        memories = {}
        for index, running in enumerate(dirty):
            if index % slice_nodes == slice_nodes - 1:
                await asyncio.sleep(0)
            memories[running.setting[0]] = codec.pack_memory(running.memory.dump())
        settings = [running.setting for running in changed]
        return Snapshot(position, settings, memories, frozenset(departed))

    def forget_old_configs(self) -> None:
        """Let go of configs that no node has, once they are many."""
        if len(self._configs) <= 2 * len(self.nodes) + CONFIGS_KEPT:
            return
        texts = {running.setting[1] for running in self.nodes.values()}
        self._configs = {text: one for text, one in self._configs.items() if text in texts}
        used = set(self._configs.values())
        self._compiled = {one: pipe for one, pipe in self._compiled.items() if one in used}

    def open_windows(self) -> int:
        return sum(
            sum(1 for _ in one.memory.open_windows())
            for one in self.nodes.values()
            if one.memory.has_windows
        )

    def due(self) -> Iterable[Running]:
        """Nodes that have open windows."""
        return (one for one in self.nodes.values() if one.memory.has_windows)

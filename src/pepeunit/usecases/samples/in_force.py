"""The pipes in force at one position of the journal, and what they remember of their nodes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from pepeunit.domain.errors import Invalid
from pepeunit.domain.messaging.record import ControlRow
from pepeunit.domain.pipes.compiled import CompiledPipe, Seat, compile_pipe
from pepeunit.domain.pipes.config import PipeConfig
from pepeunit.domain.pipes.memory import NOT_DUE, NodeMemory
from pepeunit.domain.pipes.validation import read_config
from pepeunit.ports.checkpoint import Saved
from pepeunit.ports.record_codec import RecordCodec

log = logging.getLogger(__name__)

GONE: Final = 0
"""As a generation: the node was deleted."""
ACTIVE, INACTIVE, ERROR = "Active", "Inactive", "Error"
"""What is shown as ``data_pipe_status``."""

Status = tuple[str, str | None]


def gone(node: UUID) -> ControlRow:
    """The setting of a deleted node."""
    return node, None, GONE, 0, 0


class Running:
    """A node under its setting. ``is_resolved`` once its config was looked at."""

    __slots__ = ("due_ms", "is_resolved", "received", "seat", "setting")

    def __init__(self, setting: ControlRow, memory: NodeMemory | None = None) -> None:
        self.setting = setting
        self.seat = Seat(setting[0], setting[2], None, memory)
        self.is_resolved = setting[1] is None
        self.received = 0
        """Messages since counting began."""
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
        """Changed since the last checkpoint."""
        self.gone: set[UUID] = set()
        self.dead: list[tuple[UUID, int]] = []
        """Series that nobody can read any more."""
        self.version = 0
        """Of the newest setting in force."""

    def restore(self, saved: Saved, codec: RecordCodec) -> None:
        """Begin where a checkpoint ended; configs are looked at when they are needed."""
        for row in saved.settings:
            memory = None
            if (packed := saved.memories.get(row[0])) is not None:
                memory = NodeMemory.load(codec.unpack_memory(packed))
            self.nodes[row[0]] = Running(row, memory)
            self.version = max(self.version, row[4])

    def apply(self, row: ControlRow) -> Status | None:
        """Let a setting rule from now on; the status to show, None for a deleted node.

        A new generation forgets windows and begins to count at its ``seq``; filter state stays.
        """
        node, config, generation, seq, version = row
        self.version = max(self.version, version)
        known = self.nodes.get(node)
        if generation == GONE:
            if known is not None:
                self._forget(known)
            return None
        if known is None:
            known = self.nodes[node] = Running(row)
            known.seat.memory.seq = seq
        elif known.setting[2] != generation:
            self.dead.append((node, known.setting[2]))
            known.seat.generation = generation
            known.seat.memory.begin_series()
            known.seat.memory.seq = seq
        known.setting = row
        self.gone.discard(node)
        self.dirty.add(known)
        known.seat.compiled = None
        known.is_resolved = config is None
        if config is None:
            return INACTIVE, None
        found = self._config(config)
        return (ERROR, found) if isinstance(found, str) else (ACTIVE, None)

    def _forget(self, known: Running) -> None:
        node, _, generation, _, _ = known.setting
        del self.nodes[node]
        self.dirty.discard(known)
        known.seat.memory.begin_series()
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
        running.seat.compiled = compiled
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

    def prune(self) -> None:
        """Let go of configs that no node has."""
        texts = {running.setting[1] for running in self.nodes.values()}
        self._configs = {text: one for text, one in self._configs.items() if text in texts}
        used = set(self._configs.values())
        self._compiled = {one: pipe for one, pipe in self._compiled.items() if one in used}

    def open_windows(self) -> int:
        return sum(len(one.seat.memory.windows) for one in self.nodes.values())

    def due(self) -> Iterable[Running]:
        """Nodes that have open windows."""
        return (one for one in self.nodes.values() if one.seat.memory.due_ms < NOT_DUE)

"""A recorded stream through its pipes, as the platform would have treated it.

The clock is the times of the recording: windows close and rows expire by them, and operations take
effect at once (spec datapipe.md 12).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from uuid import UUID

from attrs import evolve, field, frozen

from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.compiled import compile_pipe
from pepeunit.domain.pipes.config import PipeConfig
from pepeunit.domain.pipes.drops import Drop, no_drops
from pepeunit.domain.pipes.entries import StoredEntry, aggregate_entry, record_entry, window_entry
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import LastValue, Rows
from pepeunit.domain.pipes.series import Series, Trim
from pepeunit.domain.pipes.visible import visible_records, visible_window_rows


class Operation(enum.Enum):
    SET_CONFIG = "set_config"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    DELETE_DATA = "delete_data"
    RESTART = "restart"


@frozen
class Publication:
    """``payload`` arrives for a node."""

    time_ms: int
    node: str
    payload: bytes


@frozen
class Change:
    """Something is done to a node; RESTART is done to all. SET_CONFIG has a ``config``."""

    time_ms: int
    operation: Operation
    node: str | None = None
    config: PipeConfig | None = None


@frozen
class Stream:
    """``pipes`` are the first configs, by the names of nodes. Results are read at ``until_ms``."""

    pipes: Mapping[str, PipeConfig]
    events: Sequence[Publication | Change]
    until_ms: int


@frozen
class Replayed:
    """``accepted`` and ``dropped`` hold indexes into the events; rows are oldest first."""

    accepted: Sequence[int]
    dropped: Sequence[tuple[int, Drop]]
    last_values: Mapping[str, LastValue | None]
    rows: Mapping[str, Sequence[StoredEntry]]


def replay(stream: Stream) -> Replayed:
    """What is kept of the stream, and why the rest is not."""
    run = _Run(
        {
            name: _Node.start(UUID(int=number), config)
            for number, (name, config) in enumerate(stream.pipes.items(), start=1)
        }
    )
    for index, event in enumerate(stream.events):
        run.close(event.time_ms)
        if isinstance(event, Publication):
            run.publish(index, event)
        elif event.operation is Operation.RESTART:
            run.restart()
        elif event.node is not None:
            run.nodes[event.node] = run.nodes[event.node].changed(event)
    run.close(stream.until_ms)
    return Replayed(
        accepted=run.accepted,
        dropped=run.dropped,
        last_values={
            name: run.out.last_values.get(node.series.node) for name, node in run.nodes.items()
        },
        rows={
            name: _visible(run.out, node.series, stream.until_ms)
            for name, node in run.nodes.items()
        },
    )


@frozen
class _Node:
    memory: NodeMemory
    series: Series
    config: PipeConfig

    @classmethod
    def start(cls, node: UUID, config: PipeConfig) -> _Node:
        series = Series(NodeId(node), limit=config.processing_policy.records_limit)
        return cls(NodeMemory(node, series.generation, compile_pipe(config)), series, config)

    def changed(self, change: Change) -> _Node:
        memory, series = self.memory, self.series
        match change.operation:
            case Operation.ACTIVATE:
                memory.compiled = compile_pipe(self.config)
            case Operation.DEACTIVATE:
                memory.compiled = None
            case Operation.DELETE_DATA:
                series = evolve(series, generation=series.generation + 1, trims=())
                memory.begin_series(series.generation)
            case Operation.SET_CONFIG if change.config is not None:
                if memory.compiled is not None:
                    memory.compiled = compile_pipe(change.config)
                trims = series.trims
                if series.limit is not None:
                    trims = (*trims, Trim(change.time_ms, series.limit))
                limit = change.config.processing_policy.records_limit
                series = evolve(series, limit=limit, trims=trims)
                return evolve(self, series=series, config=change.config)
            case _:
                pass
        return evolve(self, series=series)


@frozen
class _Run:
    nodes: dict[str, _Node]
    out: Rows = field(factory=Rows)
    accepted: list[int] = field(factory=list)
    dropped: list[tuple[int, Drop]] = field(factory=list)

    def close(self, now_ms: int) -> None:
        for node in self.nodes.values():
            node.memory.close(node.series.node, node.series.generation, now_ms, self.out)

    def publish(self, index: int, publication: Publication) -> None:
        memory, drops = self.nodes[publication.node].memory, no_drops()
        if memory.compiled is None:
            self.dropped.append((index, Drop.INACTIVE))
            return
        times, payloads = (publication.time_ms,), (publication.payload,)
        if memory.compiled.feed_mixed((memory,), times, payloads, self.out, drops):
            self.accepted.append(index)
        else:
            self.dropped.append((index, Drop(drops.index(1))))

    def restart(self) -> None:
        for name, node in self.nodes.items():
            old = node.memory
            memory = NodeMemory.load(old.dump(), old.node, old.generation, old.compiled)
            self.nodes[name] = evolve(node, memory=memory)


def _visible(out: Rows, series: Series, now_ms: int) -> list[StoredEntry]:
    # a window that was told again counts as it was told with the most samples
    aggregates = {
        (*row[3:5], *row[6:8]): row
        for row in sorted(out.aggregates, key=lambda row: row[8])
        if row[:2] == (series.node, series.generation)
    }
    dated: list[tuple[int, StoredEntry]] = [
        *((row[5], record_entry(row)) for row in visible_records(out.n_records, series)),
        *(
            (row[5], window_entry(row))
            for row in visible_window_rows(out.time_windows, series, now_ms)
        ),
        *((row[5], aggregate_entry(row)) for row in aggregates.values()),
    ]
    return [row for _, row in sorted(dated, key=lambda pair: pair[0])]

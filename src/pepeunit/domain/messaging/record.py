"""What the journal holds, in the order it came (rulings 27, 31).

Rows are plain tuples with the uuid first: they are made and read by the hundred thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from attrs import field, frozen

ControlRow = tuple[UUID, str | None, int, int, int]
"""``(node, config text or None, generation, first seq, version)``: a pipe setting that rules the
samples behind it."""

NumberRow = tuple[UUID, int, int, int]
"""``(node, generation, seq, window seq)``: rows of a series are stored up to these numbers."""

LogRow = tuple[UUID, str, str, int, int]
"""``(unit, level, text, created_ms, expires_ms)``"""


@frozen
class SampleRecord:
    """What devices published on topics of nodes, received at one moment (UTC epoch
    milliseconds); the payloads of a node in the order they came. ``packet_ids`` are those under
    which an external broker may send the same payloads again; empty when nobody may."""

    received_ms: int
    payloads: Mapping[UUID, Sequence[bytes]]
    packet_ids: Mapping[UUID, Sequence[int]] = field(factory=dict)

    @property
    def sample_count(self) -> int:
        return sum(map(len, self.payloads.values()))

    @property
    def payload_bytes(self) -> int:
        return sum(sum(map(len, payloads)) for payloads in self.payloads.values())

    def parts(self, bytes_max: int) -> Iterator[SampleRecord]:
        """The same samples in records of at most so many bytes of payload, unless one payload
        is longer; in order for each node."""
        if self.payload_bytes <= bytes_max:
            yield self
            return
        some: dict[UUID, list[bytes]] = {}
        ids: dict[UUID, list[int]] = {}
        size = 0
        for node, payloads in self.payloads.items():
            known = self.packet_ids.get(node)
            for index, payload in enumerate(payloads):
                if some and size + len(payload) > bytes_max:
                    yield SampleRecord(self.received_ms, some, ids)
                    some, ids, size = {}, {}, 0
                some.setdefault(node, []).append(payload)
                if known is not None:
                    ids.setdefault(node, []).append(known[index])
                size += len(payload)
        yield SampleRecord(self.received_ms, some, ids)


@frozen
class ControlRecord:
    """Pipe settings that changed; later samples meet them, earlier ones do not."""

    rows: Sequence[ControlRow]


@frozen
class NumbersRecord:
    """What the store has: rows of later samples are counted on from there."""

    rows: Sequence[NumberRow]


@frozen
class LogRecord:
    """What devices logged."""

    rows: Sequence[LogRow]


@frozen
class SessionRecord:
    """An external broker began a session: packet identifiers before it are of another one.
    ``began_ms`` is UTC epoch milliseconds."""

    began_ms: int


Record = SampleRecord | ControlRecord | LogRecord | NumbersRecord | SessionRecord

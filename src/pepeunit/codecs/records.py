"""Journal records and spooled rows as bytes.

::

    u8 1 | i64 received ms | u32 nodes | nodes x (16 bytes node | u32 count)
         | u32 length of every payload | payloads                    samples
    u8 2 | JSON rows                                                 control
    u8 3 | JSON rows                                                 logs
    u8 4 | JSON rows                                                 numbers
    u8 5 | as samples | u16 packet identifier of every payload       samples of a broker's session
    u8 6 | i64 began ms                                              a broker's session begins

Rows in JSON are arrays whose first member is a uuid.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Final
from uuid import UUID

import orjson

from pepeunit.domain.messaging.record import (
    ControlRecord,
    LogRecord,
    NumbersRecord,
    Record,
    SampleRecord,
    SessionRecord,
)
from pepeunit.domain.pipes.memory import NEVER, MemoryDump

SAMPLES: Final = 1
CONTROL: Final = 2
LOGS: Final = 3
NUMBERS: Final = 4
IDENTIFIED: Final = 5
SESSION: Final = 6
_FORMS: Final = {ControlRecord: CONTROL, LogRecord: LOGS, NumbersRecord: NUMBERS}
_HEAD: Final = struct.Struct("<BqI")
_NODE: Final = struct.Struct("<16sI")
_SESSION: Final = struct.Struct("<Bq")
_MORE: Final[tuple[Any, ...]] = (0, NEVER, 0, ())
"""What the memories of an earlier version did not hold."""
_MEMORY: Final = json.JSONEncoder(separators=(",", ":"))


def pack_record(record: Record) -> bytes:
    """One journal record."""
    if isinstance(record, SampleRecord):
        return _packed_samples(record)
    if isinstance(record, SessionRecord):
        return _SESSION.pack(SESSION, record.began_ms)
    return bytes((_FORMS[type(record)],)) + orjson.dumps(record.rows)


def _packed_samples(record: SampleRecord) -> bytes:
    groups = record.payloads
    node = _NODE.pack
    heads = [node(uuid.bytes, len(payloads)) for uuid, payloads in groups.items()]
    payloads = [payload for group in groups.values() for payload in group]
    lengths = struct.pack(f"<{len(payloads)}I", *map(len, payloads))
    ids = [one for node in groups for one in record.packet_ids[node]] if record.packet_ids else ()
    head = _HEAD.pack(IDENTIFIED if ids else SAMPLES, record.received_ms, len(heads))
    return b"".join((head, *heads, lengths, *payloads, struct.pack(f"<{len(ids)}H", *ids)))


def unpack_record(packed: bytes) -> Record:
    """The record again. Raises ``ValueError`` for bytes that are none."""
    form = packed[0] if packed else 0
    if form in (SAMPLES, IDENTIFIED):
        try:
            return _samples(packed)
        except struct.error:
            raise ValueError("a journal record of samples that is cut off") from None
    if form == SESSION:
        if len(packed) != _SESSION.size:
            raise ValueError("a journal record of a session with a wrong length")
        return SessionRecord(_SESSION.unpack(packed)[1])
    if form == CONTROL:
        return ControlRecord(_rows(orjson.loads(packed[1:])))
    if form == LOGS:
        return LogRecord(_rows(orjson.loads(packed[1:])))
    if form == NUMBERS:
        return NumbersRecord(_rows(orjson.loads(packed[1:])))
    raise ValueError(f"a journal record of unknown form {form}")


def _samples(record: bytes) -> SampleRecord:
    form, received_ms, node_count = _HEAD.unpack_from(record)
    at = _HEAD.size + node_count * _NODE.size
    heads = list(_NODE.iter_unpack(record[_HEAD.size : at]))
    count = sum(size for _, size in heads)
    lengths = struct.unpack_from(f"<{count}I", record, at)
    ends = list(accumulate(lengths, initial=at + 4 * count))
    ids_count = count if form == IDENTIFIED else 0
    if len(heads) != node_count or ends[-1] + 2 * ids_count != len(record):
        raise ValueError("a journal record of samples with a wrong length")
    ids = struct.unpack_from(f"<{ids_count}H", record, ends[-1])
    payloads = [record[begin:end] for begin, end in pairwise(ends)]
    groups, packet_ids = {}, {}
    at = 0
    for packed, size in heads:
        node = UUID(bytes=packed)
        groups[node] = payloads[at : at + size]
        if ids:
            packet_ids[node] = ids[at : at + size]
        at += size
    return SampleRecord(received_ms, groups, packet_ids)


def pack_tables(tables: Sequence[Sequence[Any]]) -> bytes:
    """Rows of any tables."""
    return orjson.dumps(tables)


def unpack_tables(packed: bytes) -> tuple[list[Any], ...]:
    """The rows again. Raises ``ValueError`` for bytes that are none."""
    return tuple(_rows(rows) for rows in orjson.loads(packed))


def pack_memory(dump: MemoryDump) -> bytes:
    """What a pipe remembers of a node."""
    # not orjson: it knows no infinities, and each of its results leaves a hole of a kilobyte
    # in memory, while tens of thousands of these are kept at a time
    return _MEMORY.encode(dump).encode()


def unpack_memory(packed: bytes) -> MemoryDump:
    """The memory again. Raises ``ValueError`` for bytes that are none."""
    last_ms, last_value, seq, window_seq, windows, closed, *more = json.loads(packed)
    if closed and not isinstance(closed[0], list):  # as it was before more than one was kept
        closed = [closed]
    more += _MORE[len(more) :]
    held: tuple[Any, Any] = tuple(map(tuple, windows)), tuple(map(tuple, closed))
    lateness_ms, floor_ms, received, dropped = more
    last = last_ms, last_value, seq, window_seq
    return *last, *held, lateness_ms, floor_ms, received, tuple(dropped)


def _rows(rows: Any) -> list[Any]:
    known: dict[str, UUID] = {}
    found = []
    for text, *values in rows:
        uuid = known.get(text)
        if uuid is None:
            uuid = known[text] = UUID(text)
        found.append((uuid, *values))
    return found

"""How the pipeline's values look as bytes; the module :mod:`pepeunit.codecs.records` is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pepeunit.domain.messaging.record import Record
from pepeunit.domain.pipes.memory import MemoryDump

Tables = Sequence[Sequence[Any]]
"""Rows by table; a row is a tuple with a uuid first."""


class RecordCodec(Protocol):
    """The ``unpack`` functions raise ``ValueError`` for bytes that are not theirs."""

    def pack_record(self, record: Record) -> bytes: ...

    def unpack_record(self, packed: bytes) -> Record: ...

    def pack_tables(self, tables: Tables) -> bytes: ...

    def unpack_tables(self, packed: bytes) -> tuple[list[Any], ...]: ...

    def pack_memory(self, dump: MemoryDump) -> bytes: ...

    def unpack_memory(self, packed: bytes) -> MemoryDump: ...

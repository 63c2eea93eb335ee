"""A batch of raw samples as one journal record.

::

    u8 form (1) | u32 count | count x (16 bytes node | i64 received ms | u32 length) | payloads
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import Final
from uuid import UUID

from pepeunit.domain.messaging.sample import RawSample

FORM: Final = 1
_HEAD: Final = struct.Struct(">BI")
_ENTRY: Final = struct.Struct(">16sqI")


def pack_samples(samples: Sequence[RawSample]) -> bytes:
    """One record for the whole batch, in order."""
    entry = _ENTRY.pack
    heads = [entry(node.bytes, received, len(body)) for node, received, body in samples]
    bodies = [body for _, _, body in samples]
    return b"".join((_HEAD.pack(FORM, len(heads)), *heads, *bodies))


def unpack_samples(record: bytes) -> list[RawSample]:
    """The batch again. Raises ``ValueError`` for a record of another form."""
    try:
        form, count = _HEAD.unpack_from(record)
        start = _HEAD.size + count * _ENTRY.size
        heads = list(_ENTRY.iter_unpack(record[_HEAD.size : start]))
    except struct.error:
        raise ValueError("a journal record that holds no samples") from None
    ends = list(accumulate((length for _, _, length in heads), initial=start))
    if form != FORM or len(heads) != count or ends[-1] != len(record):
        raise ValueError(f"a journal record of unknown form {form}")
    return [
        RawSample(UUID(bytes=node), received, record[begin:end])
        for (node, received, _), begin, end in zip(heads, ends, ends[1:], strict=False)
    ]

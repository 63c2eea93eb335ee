"""A value on its way from the broker to the stores."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID


class RawSample(NamedTuple):
    """What a device published on a node's topic, as the broker has it.

    A named tuple, because the hot path makes one per message. ``received_ms`` is UTC epoch
    milliseconds.
    """

    node: UUID
    received_ms: int
    payload: bytes

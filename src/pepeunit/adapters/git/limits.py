"""The numbers a mirror is held to; each bounds what a hostile remote can take (W17)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

MIB: Final = 2**20


@frozen
class MirrorLimits:
    """``mirror_bytes_max`` is ``PU_MAX_EXTERNAL_REPO_SIZE``, watched every ``watch_seconds``.

    ``output_bytes_max`` bounds what one read may hold in memory, ``listing_bytes_max`` a list
    of references; the ``*_max`` counts are of things at the same time.
    """

    mirror_bytes_max: int = 50 * MIB
    sync_seconds_max: float = 300.0
    list_seconds_max: float = 15.0
    read_seconds_max: float = 30.0
    watch_seconds: float = 0.2
    output_bytes_max: int = 128 * MIB
    listing_bytes_max: int = 16 * MIB
    packs_max: int = 20
    syncs_max: int = 4
    readers_max: int = 8
    histories_max: int = 64

"""The stored rows of one node, as readers see them."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.ids import NodeId

FIRST_GENERATION = 1


@frozen
class Trim:
    """Of the rows created at or before ``at_ms`` only the newest ``count`` are left.

    Recorded whenever an NRecords limit ends, so that a larger one never brings rows back
    (spec datapipe.md 5).
    """

    at_ms: int
    count: int


def trimmed(trims: tuple[Trim, ...], new: Trim) -> tuple[Trim, ...]:
    """The trims that still matter once ``new``, the latest, is added.

    An earlier one that left as much or more takes nothing away any more, so there are never more
    than there are limits.
    """
    return (*(trim for trim in trims if trim.count < new.count), new)


@frozen
class Series:
    """Rows of other generations do not exist for readers: raising the generation empties a
    series at once, whatever is still on its way to the store.

    ``limit`` is the NRecords limit of the current config, ``None`` under another policy.
    """

    node: NodeId
    generation: int = FIRST_GENERATION
    limit: int | None = None
    trims: tuple[Trim, ...] = ()

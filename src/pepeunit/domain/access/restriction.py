"""What an API token leaves of its user's rights; the policy and list scopes consult it."""

from __future__ import annotations

import enum

from attrs import frozen

from pepeunit.domain.ids import UnitId


class TokenScope(enum.Enum):
    """Each scope holds those before it.

    ``READ``: looks alone. ``CONTROL``: commands and inputs too. ``OWN``: also changes of one's own
    things, their env and archives, which hold the devices' tokens.
    """

    READ = "read"
    CONTROL = "control"
    OWN = "own"

    def holds(self, needed: TokenScope) -> bool:
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {scope: rank for rank, scope in enumerate(TokenScope)}


@frozen
class Restriction:
    """``units`` None is no limit; otherwise nothing but these units and their nodes is there."""

    scope: TokenScope
    units: frozenset[UnitId] | None = None

    def reaches(self, unit: UnitId | None) -> bool:
        """Whether a thing of that unit, None for what belongs to none, is there at all."""
        return self.units is None or unit in self.units

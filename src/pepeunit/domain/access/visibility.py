"""Visibility levels and the parent rule (spec access.md 3)."""

from __future__ import annotations

import enum
from typing import Self


class Visibility(enum.Enum):
    """Public is the widest, Private the strictest."""

    PUBLIC = "Public"
    INTERNAL = "Internal"
    PRIVATE = "Private"

    @property
    def strictness(self) -> int:
        return _STRICTNESS[self]

    def is_wider_than(self, parent: Self) -> bool:
        """A child may not be wider than its parent."""
        return self.strictness < parent.strictness

    def tightened_to(self, parent: Self) -> Self:
        """The stricter of the two: what a child becomes when its parent is raised."""
        return parent if self.is_wider_than(parent) else self


_STRICTNESS = {Visibility.PUBLIC: 0, Visibility.INTERNAL: 1, Visibility.PRIVATE: 2}

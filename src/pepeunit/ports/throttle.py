"""Counting tries in a window (rulings 14)."""

from __future__ import annotations

from typing import Protocol


class Throttle(Protocol):
    def wait_seconds(self, key: str) -> float | None:
        """How long the key has to wait, None when it may go on."""
        ...

    def record(self, key: str) -> None:
        """Count one try."""
        ...

    def withdraw(self, key: str) -> None:
        """The last counted try was none: it succeeded."""
        ...

    def forget(self, key: str) -> None:
        """Start over."""
        ...

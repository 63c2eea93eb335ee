"""The way out to devices."""

from __future__ import annotations

from typing import Protocol


class Publisher(Protocol):
    """Publishes on behalf of the platform."""

    async def publish(self, topic: str, payload: bytes, qos: int = 1) -> int | None:
        """Hand one message to the broker.

        Returns how many connected sessions it was handed to, or None where the broker does not
        say. Raises :class:`~pepeunit.domain.errors.Unavailable` when the broker did not
        take the message.
        """
        ...

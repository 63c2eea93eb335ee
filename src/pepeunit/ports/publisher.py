"""The way out to devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from attrs import field, frozen


@frozen
class Receipt:
    """What its sender wants to know of a message; equal keys stand for one message.

    ``taken`` is called once the message has arrived as far as the broker can tell: the endpoint
    knows a subscriber's PUBACK (at QoS 0: that its socket has it), a broker elsewhere only that it
    took the message itself. It may be called before ``publish`` returns, more than once with
    several subscribers, or never; it must not block and not raise.
    """

    key: UUID
    taken: Callable[[], None] = field(eq=False)


class Publisher(Protocol):
    """Publishes on behalf of the platform."""

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        """Hand one message to the broker, and wait for nobody who is to hear it.

        Returns how many connected sessions it is now on its way to, or None where the broker does
        not say. A session that has a message with the same receipt on its way gets no second one.
        Raises :class:`~pepeunit.domain.errors.Unavailable` when the broker did not take the
        message.
        """
        ...

"""The way in: messages of all clients gathered into batches, acknowledged when stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Receive
from pepeunit.entrypoints.devices.session import Message, Session
from pepeunit.usecases.messages.receive import Inbound

logger = logging.getLogger(__name__)

Forward = tuple[bytes, bytes, int, Mapping[int, Any] | None, Session]
"""``(topic, payload, QoS, properties, publisher)`` of a message that has subscribers."""


class Sender(Protocol):
    """A connection that waits for acknowledgements."""

    def settled(self, receipt: Receipt) -> None:
        """Everything the receipt stands for is stored: acknowledge."""
        ...

    def failed(self, receipt: Receipt) -> None:
        """It was not stored: nothing is acknowledged."""
        ...


class Receipt(NamedTuple):
    """What one client is owed for its part of a batch: encoded acks, in order."""

    sender: Sender
    session: Session
    acks: Sequence[bytes]
    released: Sequence[int]


class Inbox:
    """Bounded: ``room`` says how many more messages it takes."""

    def __init__(self, receive: Receive, exchange: Exchange, limits: Limits) -> None:
        self.messages: list[Inbound] = []
        self.forwards: list[Forward] = []
        self._receipts: list[Receipt] = []
        self._receive = receive
        self._exchange = exchange
        self._limits = limits
        self._new_bytes = 0
        self._busy_messages = 0
        self._busy_bytes = 0
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def room(self) -> int:
        """Messages that still fit; 0 or less when full by count or by bytes."""
        limits = self._limits
        if self._new_bytes + self._busy_bytes >= limits.buffer_bytes_max:
            return 0
        return limits.buffer_messages_max - self._busy_messages - len(self.messages)

    def put(self, size_bytes: int, receipt: Receipt | None) -> None:
        """Close one client's part: ``messages`` and ``forwards`` were appended before."""
        self._new_bytes += size_bytes
        if receipt is not None:
            self._receipts.append(receipt)
        self._idle.clear()
        self._more.set()

    async def drained(self) -> None:
        """Returns when nothing waits."""
        await self._idle.wait()

    async def run(self) -> None:
        """Hand batches to the platform until cancelled, one after the other."""
        while True:
            await self._more.wait()
            self._more.clear()
            messages, receipts, forwards = self.messages, self._receipts, self.forwards
            self.messages, self._receipts, self.forwards = [], [], []
            self._busy_messages = len(messages)
            self._busy_bytes, self._new_bytes = self._new_bytes, 0
            stored = await self._store(messages)
            self._busy_messages = self._busy_bytes = 0
            if stored:
                self._settle(receipts, forwards)
            else:
                self._fail(messages, receipts)
            if not self._more.is_set():
                self._idle.set()

    async def _store(self, messages: list[Inbound]) -> bool:
        if not messages:
            return True
        try:
            await self._receive(messages)
        except Unavailable as error:
            logger.warning("%d messages were not stored: %s", len(messages), error)
            return False
        except Exception:
            logger.exception("%d messages were not stored", len(messages))
            return False
        return True

    def _settle(self, receipts: list[Receipt], forwards: list[Forward]) -> None:
        for receipt in receipts:
            receipt.sender.settled(receipt)
        if forwards:
            now_seconds = asyncio.get_running_loop().time()
            for topic, payload, qos, properties, publisher in forwards:
                message = Message(
                    topic,
                    payload,
                    qos,
                    properties=properties,
                    publisher=publisher,
                    now_seconds=now_seconds,
                )
                self._exchange.forward(message, now_seconds)

    def _fail(self, messages: list[Inbound], receipts: list[Receipt]) -> None:
        self._exchange.counters.dropped_messages += sum(not qos for _, _, qos, _ in messages)
        for receipt in receipts:
            for packet_id in receipt.released:
                receipt.session.unreleased.pop(packet_id, None)
            receipt.sender.failed(receipt)

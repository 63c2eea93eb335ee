"""The inbox: what devices publish to an external broker, read at QoS 1 (rulings 27, 30, 34).

A message is acknowledged to the broker after the journal has it. The session is persistent: what
is published while nobody reads waits at the broker. While the journal refuses, nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol
from uuid import UUID

from attrs import define, field

from pepeunit.codecs.mqtt import packets as p
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import SampleRecord, SessionRecord
from pepeunit.entrypoints.pipeline.limits import InboxLimits
from pepeunit.entrypoints.pipeline.link import Broker, Link
from pepeunit.entrypoints.pipeline.redelivery import Remembered
from pepeunit.entrypoints.pipeline.topics import NodeTopics
from pepeunit.ports.clock import Clock

log = logging.getLogger(__name__)

QOS: Final = 0x06


class Accepting(Protocol):
    """What the inbox hands its batches to: the pipeline's way in."""

    @property
    def sheds_qos_0(self) -> bool: ...

    def shed(self, count: int) -> None: ...

    async def accept(self, record: SampleRecord) -> None: ...

    async def note_session(self, began_ms: int) -> None: ...

    def late(self) -> AsyncIterator[SampleRecord | SessionRecord]: ...


@define(eq=False)
class Batch:
    """Messages of one connection on their way into the journal."""

    link: Link
    payloads: dict[UUID, list[bytes]] = field(factory=dict)
    """Of QoS 1."""
    packet_ids: dict[UUID, list[int]] = field(factory=dict)
    """Of the same messages."""
    unsure: dict[UUID, list[bytes]] = field(factory=dict)
    """Of QoS 0: they may be dropped."""
    owed: list[int] = field(factory=list)
    """Packet identifiers to be acknowledged once all is stored, in the order they came."""
    size_bytes: int = 0


class Inbox:
    """:meth:`run` it for as long as this process is the one that runs the pipes."""

    def __init__(
        self,
        broker: Broker,
        topics: NodeTopics,
        ingest: Accepting,
        clock: Clock,
        limits: InboxLimits | None = None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._ingest = ingest
        self._clock = clock
        self._limits = limits or InboxLimits()
        self._remembered = Remembered(self._limits)
        self._is_session_new = False
        """And not in the journal yet."""
        self._gathered: Batch | None = None
        self.held_bytes = 0
        """Of messages that wait for the journal."""
        self._more = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.is_connected = False
        self.connections = 0
        self.received = 0
        """Messages of nodes, stored or dropped by rule."""
        self.foreign = 0
        """On topics that are no node's."""
        self.repeated = 0
        """Sent again by the broker though they were stored."""

    async def run(self) -> None:
        """Connect, again and again, until cancelled; then say goodbye after the last message
        that was read is stored and acknowledged. Raises what the pipeline raises besides
        ``Unavailable`` for a batch; it may be run again."""
        await self._recall()
        storing = asyncio.create_task(self._store_batches())
        reading = asyncio.create_task(self._connect_for_ever())
        try:
            done, _ = await asyncio.wait((storing, reading), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (reading, storing):  # what was read is stored before the storing ends
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            self._begin_anew()

    async def _recall(self) -> None:
        """Who accepted them may have died before the broker was told."""
        remembered = self._remembered
        remembered.forget()
        try:
            async for record in self._ingest.late():
                if isinstance(record, SessionRecord):
                    remembered.forget()
                else:
                    remembered.add(record)
        except Unavailable as outage:
            log.warning("what the broker sends again may be stored twice: %s", outage)
            remembered.forget()
        newest = remembered.newest_ms
        oldest_ms = self._now_ms() - 1000 * self._limits.recalled_seconds_max
        if newest is not None and newest < oldest_ms:
            remembered.forget()

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)

    def _begin_anew(self) -> None:
        """What was read and not stored comes again: the broker was not told of it."""
        self._gathered = None
        self.held_bytes = 0
        self._is_idle.set()

    async def _connect_for_ever(self) -> None:
        limits, delay = self._limits, self._limits.retry_seconds_min
        is_told = False
        while True:
            await self._is_idle.wait()  # what a connection brought is stored before it comes again
            try:
                link = await Link.open(self._broker, self._topics.filters, limits, self)
            except Unavailable as outage:
                if not is_told:
                    log.warning("the inbox waits: %s", outage)
                is_told = True
            else:
                log.info("the inbox reads from %s", self._broker.address)
                is_told, delay = False, limits.retry_seconds_min
                reason = await self._live(link)
                log.warning("the inbox lost %s: %s", self._broker.address, reason)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  # spreads retries
            delay = min(2 * delay, limits.retry_seconds_max)

    async def _live(self, link: Link) -> str:
        self.is_connected = True
        self.connections += 1
        try:
            reason = await link.keep_alive()
        except asyncio.CancelledError:
            link.read(is_wanted=False)
            try:
                # not asyncio.timeout: in a task that is cancelled Python 3.11.2 lets it never end
                await asyncio.wait_for(self._is_idle.wait(), self._limits.stop_seconds)
            except TimeoutError:
                log.warning("messages that were read are left to the broker")
            await link.close()
            raise
        finally:
            self.is_connected = False
        return reason

    def greeted(self, *, is_known: bool) -> None:
        if is_known:
            self._remembered.expect()
        else:
            self._remembered.forget()
            self._is_session_new = True
            if self.connections:
                log.warning("the broker had no session: what came meanwhile is lost to us")

    async def note_session(self) -> None:
        if self._is_session_new:
            await self._ingest.note_session(self._now_ms())
            self._is_session_new = False

    # the link's side

    def take(self, link: Link, publishes: Sequence[p.Publish]) -> None:
        batch = self._gathered
        if batch is None:
            batch = self._gathered = Batch(link)
        node_of = self._topics.node
        is_expecting = self._remembered.is_expecting
        payloads, packet_ids, owed = batch.payloads, batch.packet_ids, batch.owed
        size = 0
        for publish in publishes:
            head, topic, payload, packet_id, _ = publish
            if head & QOS:
                owed.append(packet_id)
            node = node_of(topic)
            if node is None:
                self.foreign += 1
                continue
            if not head & QOS:
                batch.unsure.setdefault(node, []).append(payload)
            elif is_expecting and self._remembered.is_known(head, packet_id, node, payload):
                self.repeated += 1
                continue
            elif node in payloads:
                payloads[node].append(payload)
                packet_ids[node].append(packet_id)
            else:
                payloads[node] = [payload]
                packet_ids[node] = [packet_id]
            size += len(payload)
        size += len(publishes) * self._limits.message_bytes
        batch.size_bytes += size
        self.held_bytes += size
        if self.held_bytes > self._limits.held_bytes_max:
            link.read(is_wanted=False)
        self._is_idle.clear()
        self._more.set()

    # the journal's side

    async def _store_batches(self) -> None:
        while True:
            await self._more.wait()
            await asyncio.sleep(self._limits.gather_seconds)
            self._more.clear()
            batch, self._gathered = self._gathered, None
            if batch is not None:
                await self._store(batch)
                self.held_bytes -= batch.size_bytes
                if self.held_bytes <= self._limits.held_bytes_max // 2:
                    batch.link.read(is_wanted=True)
            if self._gathered is None:
                self._is_idle.set()

    async def _store(self, batch: Batch) -> None:
        received_ms = self._now_ms()
        if batch.payloads:
            await self._keep(SampleRecord(received_ms, batch.payloads, batch.packet_ids))
        batch.link.acknowledge(batch.owed)
        if batch.unsure:
            await self._offer(SampleRecord(received_ms, batch.unsure))

    async def _offer(self, record: SampleRecord) -> None:
        """Store it now or drop it."""
        self.received += record.sample_count
        if not self._ingest.sheds_qos_0:
            try:
                return await self._ingest.accept(record)
            except Unavailable as outage:
                log.debug("dropped: %s", outage)
        return self._ingest.shed(record.sample_count)

    async def _keep(self, record: SampleRecord) -> None:
        """Store it, however long that takes."""
        is_told = False
        while True:
            try:
                await self._ingest.accept(record)
            except Unavailable as outage:
                if not is_told:
                    log.warning("%d messages wait: %s", record.sample_count, outage)
                is_told = True
                await asyncio.sleep(self._limits.store_retry_seconds)
            else:
                break
        self.received += record.sample_count
        self._remembered.add(record)

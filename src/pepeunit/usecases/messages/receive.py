"""Messages from devices go to where they are stored (rulings 27)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from attrs import evolve, field, frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Invalid, Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.messaging.record import LogRow, SampleRecord
from pepeunit.domain.messaging.topic import BaseTopic, NodeTopic, ParsedTopic
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.log import UnitLog, read_logs
from pepeunit.domain.units.state import is_due, read_state
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.usecases.live.hub import Hub
from pepeunit.usecases.live.tap import TapMessages
from pepeunit.usecases.messages.log_share import LogShare
from pepeunit.usecases.samples.ingest import Ingest

log = logging.getLogger(__name__)

STATE_WORD = "state"
LOG_WORD = "log"


Inbound = tuple[ParsedTopic, bytes, int, Agent]
"""``(topic, payload, QoS, publisher)`` of a message that passed the policy. A plain tuple: making
one costs a tenth of a named tuple, and they come by the hundred thousand a second."""


@frozen
class StoreState:
    """Keeps a unit's newest state and moves its update along."""

    database: Database
    clock: Clock
    send_interval_seconds: float

    async def __call__(self, uuid: UnitId, payload: bytes) -> None:
        """Malformed states are dropped; ones that come too soon are passed over (O33)."""
        try:
            state = read_state(payload)
        except Invalid as refusal:
            log.info("state of unit %s dropped: %s", uuid, refusal)
            return
        now = self.clock()
        async with self.database.begin() as tx:
            unit = await tx.units.get(uuid, for_update=True)
            if unit is None:
                return
            known = unit.current_commit_version
            interval = self.send_interval_seconds
            if not is_due(state, known, unit.state_datetime, now, interval):
                return
            version = state.pu_commit_version
            progress = unit.update.reported(version, unit.built_commit, now, interval)
            await tx.units.put(
                evolve(
                    unit,
                    unit_state=state,
                    state_datetime=now,
                    current_commit_version=Sha(version) if version is not None else known,
                    update=progress,
                    last_update_datetime=now,
                )
            )
            if progress != unit.update and progress.status is UpdateStatus.SUCCESS:
                # It restarted on the command before it acknowledged it.
                await tx.outbox.withdraw(uuid, CommandKind.UPDATE, attempted=True)


@frozen
class ReceiveMessages:
    """The platform's end of every device message: durable when it returns.

    Nodes without the suffix and words other than ``state`` and ``log`` are not the platform's:
    the broker passes them on, nothing is stored.
    """

    ingest: Ingest
    store_state: StoreState
    clock: Clock
    log_seconds: float
    tap: TapMessages = TapMessages(Hub())  # noqa: RUF009 where nobody can watch
    log_share: LogShare = field(factory=LogShare)

    async def __call__(self, messages: Sequence[Inbound]) -> None:
        """Raises ``Unavailable`` when a store does not take them; then none is acknowledged.

        Samples of QoS 0 owe no acknowledgement: they may be dropped, and are counted, when the
        journal is full or the stores are too slow.
        """
        received_ms = int(self.clock().timestamp() * 1000)
        if self.ingest.sheds_qos_0:
            await self._without_qos_0(messages, received_ms)
        else:
            samples = _samples(messages, qos_min=0)
            try:
                if samples:
                    await self.ingest.accept(SampleRecord(received_ms, samples))
            except Unavailable:
                await self._without_qos_0(messages, received_ms)
        self.tap.values(messages, received_ms)
        for topic, payload, _, _ in messages:
            if isinstance(topic, BaseTopic):
                await self._report(topic, payload)

    async def _without_qos_0(self, messages: Sequence[Inbound], received_ms: int) -> None:
        samples = _samples(messages, qos_min=1)
        if samples:
            await self.ingest.accept(SampleRecord(received_ms, samples))
        kept = sum(map(len, samples.values()))
        self.ingest.shed(sum(map(len, _samples(messages, qos_min=0).values())) - kept)

    async def _report(self, topic: BaseTopic, payload: bytes) -> None:
        if topic.word == STATE_WORD:
            await self.store_state(topic.unit, payload)
        elif topic.word == LOG_WORD:
            await self._log(topic.unit, payload)

    async def _log(self, unit: UnitId, payload: bytes) -> None:
        """What is malformed and what is over the unit's share is dropped."""
        now = self.clock()
        try:
            entries, bad = read_logs(unit, payload, now, self.log_seconds)
        except Invalid as refusal:
            log.info("log of unit %s dropped: %s", unit, refusal)
            return
        if bad:
            log.info("%d malformed log entries of unit %s dropped", bad, unit)
        taken = entries[: self.log_share.left(unit, now)]
        if len(taken) < len(entries):
            log.info("%d log entries of unit %s are too many", len(entries) - len(taken), unit)
        if taken:
            await self.ingest.accept_logs([_log_row(entry) for entry in taken])
            self.log_share.spend(unit, len(taken), now)  # what was refused comes again
            self.tap.logs(taken)


def _samples(messages: Sequence[Inbound], qos_min: int) -> dict[UUID, list[bytes]]:
    """Payloads by node, in the order they came."""
    found: dict[UUID, list[bytes]] = {}
    for topic, payload, qos, _ in messages:
        if qos >= qos_min and isinstance(topic, NodeTopic) and topic.has_suffix:
            node = topic.node
            if node in found:
                found[node].append(payload)
            else:
                found[node] = [payload]
    return found


def _log_row(entry: UnitLog) -> LogRow:
    return (
        entry.unit_uuid,
        entry.level.value,
        entry.text,
        int(entry.create_datetime.timestamp() * 1000),
        int(entry.expiration_datetime.timestamp() * 1000),
    )

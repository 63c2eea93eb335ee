"""Messages from devices go to where they are stored (rulings 27)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Invalid
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.messaging.sample import RawSample
from pepeunit.domain.messaging.topic import BaseTopic, NodeTopic, ParsedTopic
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.log import read_logs
from pepeunit.domain.units.state import is_due, read_state
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.logs import Logs
from pepeunit.usecases.live.hub import Hub
from pepeunit.usecases.live.tap import TapMessages
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
    logs: Logs
    clock: Clock
    log_seconds: float
    tap: TapMessages = TapMessages(Hub())  # noqa: RUF009 where nobody can watch

    async def __call__(self, messages: Sequence[Inbound]) -> None:
        """Raises ``Unavailable`` when a store does not take them; then none is acknowledged."""
        received_ms = int(self.clock().timestamp() * 1000)
        samples = [
            RawSample(topic.node, received_ms, payload)
            for topic, payload, _, _ in messages
            if isinstance(topic, NodeTopic) and topic.has_suffix
        ]
        if samples:
            await self.ingest.accept(samples)
        self.tap.values(messages, received_ms)
        if len(samples) == len(messages):
            return
        for topic, payload, _, _ in messages:
            if isinstance(topic, BaseTopic):
                await self._report(topic, payload)

    async def _report(self, topic: BaseTopic, payload: bytes) -> None:
        if topic.word == STATE_WORD:
            await self.store_state(topic.unit, payload)
        elif topic.word == LOG_WORD:
            try:
                entries, bad = read_logs(topic.unit, payload, self.clock(), self.log_seconds)
            except Invalid as refusal:
                log.info("log of unit %s dropped: %s", topic.unit, refusal)
                return
            if bad:
                log.info("%d malformed log entries of unit %s dropped", bad, topic.unit)
            if entries:
                await self.logs.append(entries)
                self.tap.logs(entries)

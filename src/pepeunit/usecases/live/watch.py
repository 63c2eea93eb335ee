"""Watch things: who may, for how long, and how much at once (issue 5 part 3, W28, rulings 17)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from attrs import field, frozen

from pepeunit.domain.errors import OverLimit, Refused, Throttled, Unauthenticated, Unavailable
from pepeunit.domain.live.event import Event, EventKind, Key
from pepeunit.domain.live.mailbox import MailboxLimits
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.events import Events
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.background import Background
from pepeunit.usecases.live.look import look
from pepeunit.usecases.live.reader import Reader, Watch

log = logging.getLogger(__name__)

JUDGEMENTS_MAX: Final = 8
RETRY_SECONDS: Final = 1.0
REJUDGE_SECONDS: Final = 60.0
"""A net: what changed rights past every use case is felt after this."""
COME_BACK_SECONDS: Final = 10.0


@frozen
class WatchLimits:
    """Readers are connections; ``readers_per_agent_max`` counts those of one user or unit, and
    for the anonymous those of one address."""

    readers_max: int = 4_000
    readers_per_agent_max: int = 300
    watches_per_reader_max: int = 200
    keys_per_watch_max: int = 100
    keys_per_reader_max: int = 1_000
    mailbox: MailboxLimits = field(factory=MailboxLimits)


class WatchLive:
    """The readers of this process. Verdicts are those of reading, asked when a watch begins and
    again whenever rights change; meanwhile nothing is told."""

    def __init__(
        self,
        database: Database,
        authenticate: Authenticate,
        events: Events,
        clock: Clock,
        background: Background,
        *,
        limits: WatchLimits = WatchLimits(),
    ) -> None:
        self.database = database
        self.authenticate = authenticate
        self.limits = limits
        self.readers: dict[Reader, str] = {}
        self._events = events
        self._clock = clock
        self._background = background
        self._doubted: dict[Reader, None] = {}
        self._is_judging = False
        self._epoch = 0
        events.follow(self)

    @asynccontextmanager
    async def reading(self, token: str | None, address: str) -> AsyncIterator[Reader]:
        """A connection of the token's agent. Raises ``Throttled`` for one too many,
        ``Unauthenticated``."""
        epoch = self._epoch
        agent = await self.authenticate(token, afresh=True)
        expires = await self.authenticate.expiry(token)
        who = f"{agent.kind.value} {agent.uuid or address}"
        _require_room(len(self.readers), self.limits.readers_max, "connections that watch")
        mine = sum(one == who for one in self.readers.values())
        _require_room(mine, self.limits.readers_per_agent_max, "connections of yours that watch")
        reader = Reader(agent, token, expires, self.limits.mailbox)
        reader.judged_at = asyncio.get_running_loop().time()
        self.readers[reader] = who
        if epoch != self._epoch:
            self._doubt(reader)
        try:
            yield reader
        finally:
            del self.readers[reader]
            self._doubted.pop(reader, None)
            for watch in tuple(reader.watches):
                self.stop(watch)

    async def __call__(self, reader: Reader, keys: Collection[Key]) -> Watch:
        """Tell the reader how the things stand, and from then on what happens to them.

        Raises what reading one of them raises, ``OverLimit`` for too many, ``Unauthenticated``.
        """
        wanted = frozenset(keys)
        limits = self.limits
        held = sum(len(watch.keys) for watch in reader.watches)
        for actual, limit, what in (
            (len(reader.watches) + 1, limits.watches_per_reader_max, "subscriptions"),
            (len(wanted), limits.keys_per_watch_max, "things in a subscription"),
            (held + len(wanted), limits.keys_per_reader_max, "things on a connection"),
        ):
            if actual > limit:
                raise OverLimit(f"more than {limit} {what}", limit=limit, actual=actual)
        watch = Watch(reader, wanted)
        reader.watches[watch] = None
        self._events.listen(watch, wanted)
        try:
            standing = await self._standing(watch)
        except BaseException:
            self.stop(watch)
            raise
        watch.open(standing)
        return watch

    async def _standing(self, watch: Watch) -> list[Event]:
        for _ in range(JUDGEMENTS_MAX):
            epoch = self._epoch
            standing = await self._judge(watch)
            if reason := watch.reader.ended:
                raise reason
            if epoch == self._epoch:
                return standing
        raise Unavailable("policy", "rights change too fast")

    async def _judge(self, watch: Watch) -> list[Event]:
        async with self.database.read() as rows:
            return await _judged(rows, watch, self._clock)

    def stop(self, watch: Watch) -> None:
        """The end of a watch; what waits for it is dropped. Nothing happens the second time."""
        self._events.ignore(watch, watch.keys)
        watch.reader.watches.pop(watch, None)
        watch.reader.mailbox.forget(watch)

    def close(self) -> None:
        """The platform stops: every reader is sent away."""
        for reader in self.readers:
            reader.end(Unavailable("platform", "is stopping"))

    # revocation

    def wanted(self, keys: Collection[Key]) -> None:
        """That is its own doing."""

    def rights_changed(self, about: Collection[UUID] | None) -> None:
        """Who may have lost a right is told nothing until the verdicts are asked anew."""
        self._epoch += 1
        for reader in self.readers:
            if reader.hangs_on(about):
                self._doubt(reader)

    def _doubt(self, reader: Reader) -> None:
        reader.hold()
        self._doubted[reader] = None
        if not self._is_judging:
            self._is_judging = True
            self._background.start("judge watches anew", self._rejudge())

    async def _rejudge(self) -> None:
        try:
            while self._doubted:
                reader = next(iter(self._doubted))
                del self._doubted[reader]
                try:
                    await self._rejudge_reader(reader)
                except Unavailable as outage:
                    log.warning("watches wait for their verdicts: %s", outage)
                    self._doubted[reader] = None
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception as error:
                    log.exception("a watch could not be judged")
                    reader.end(error)
                if reader not in self._doubted:
                    reader.release()
        finally:
            self._is_judging = False

    async def _rejudge_reader(self, reader: Reader) -> None:
        try:
            reader.agent = await self.authenticate(reader.token, afresh=True)
            reader.expires = await self.authenticate.expiry(reader.token)
        except Refused as refusal:
            reader.end(refusal)
            return
        reader.judged_at = asyncio.get_running_loop().time()
        async with self.database.read() as rows:
            for watch in tuple(reader.watches):
                try:
                    await _judged(rows, watch, self._clock)
                except Refused as refusal:
                    self.stop(watch)
                    reader.end_watch(watch, refusal)

    def tick(self) -> None:
        """To be called each second: tokens end, and old verdicts are asked anew."""
        now, clock = asyncio.get_running_loop().time(), self._clock()
        for reader in tuple(self.readers):
            if reader.expires is not None and reader.expires <= clock:
                reader.end(Unauthenticated("token expired"))
            elif now - reader.judged_at >= REJUDGE_SECONDS and reader not in self._doubted:
                self._doubt(reader)


async def _judged(rows: Collections, watch: Watch, clock: Clock) -> list[Event]:
    looks = [await look(rows, watch.reader.agent, key, clock()) for key in _ordered(watch.keys)]
    watch.about = frozenset().union(*(one.about for one in looks))
    return [one.event for one in looks if one.event is not None]


def _require_room(actual: int, limit: int, what: str) -> None:
    if actual >= limit:
        raise Throttled(
            f"more than {limit} {what}",
            limit=limit,
            actual=actual + 1,
            retry_after_seconds=COME_BACK_SECONDS,
        )


def _ordered(keys: Iterable[Key]) -> list[Key]:
    kinds = list(EventKind)
    return sorted(keys, key=lambda key: (kinds.index(key[0]), key[1]))

"""Live data as server-sent events; not in the reference's contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import dump
from pepeunit.codecs.rest.live import event_model
from pepeunit.codecs.rest.refusals import refusal_answer, unavailable_answer
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Invalid, Refused, Unavailable
from pepeunit.domain.live.event import Event, EventKind, Key
from pepeunit.entrypoints.http.route import Call, EventStream, Route
from pepeunit.usecases.live.reader import Told, TooSlow
from pepeunit.usecases.live.watch import WatchLive

HEARTBEAT_SECONDS: Final = 15.0
RETRY_MILLISECONDS: Final = 3_000
BEGIN: Final = f"retry: {RETRY_MILLISECONDS}\n\n".encode()
READY: Final = b"event: ready\ndata: {}\n\n"
HEARTBEAT: Final = b":\n\n"
TOO_SLOW: Final = "events came faster than they were read"

UNIT_KINDS: Final = (
    EventKind.UNIT_STATE,
    EventKind.UNIT_PRESENCE,
    EventKind.UNIT_UPDATE,
    EventKind.UNIT_LOG,
)


@frozen
class EventQuery:
    """Each name may be given more than once. Without ``kinds``: everything but logs, which are for
    a unit's owner and the unit itself. ``repos`` are those whose rollouts are watched."""

    units: tuple[UUID, ...] = ()
    nodes: tuple[UUID, ...] = ()
    registries: tuple[UUID, ...] = ()
    repos: tuple[UUID, ...] = ()
    kinds: tuple[EventKind, ...] | None = None

    def keys(self) -> Collection[Key]:
        """Raises ``Invalid`` when nothing is left to watch."""
        asked = frozenset(self.kinds or set(EventKind) - {EventKind.UNIT_LOG})
        found = {
            (kind, uuid)
            for kinds, uuids in (
                (UNIT_KINDS, self.units),
                ((EventKind.NODE_VALUE,), self.nodes),
                ((EventKind.REGISTRY_PROGRESS,), self.registries),
                ((EventKind.ROLLOUT_PROGRESS,), self.repos),
            )
            for kind in kinds
            for uuid in uuids
            if kind in asked
        }
        if not found:
            raise Invalid("name units, nodes, registries or repos, and kinds that fit them")
        return found


@frozen
class EventDoor:
    watch: WatchLive
    heartbeat_seconds: float = HEARTBEAT_SECONDS

    def routes(self) -> Sequence[Route]:
        return (Route.of("GET", "/events", self.follow, media_type="text/event-stream"),)

    async def follow(self, agent: Agent, query: EventQuery, call: Call) -> EventStream:
        """What happens to units, nodes, registries and rollouts, as server-sent events.

        First how things stand, then ``ready``, then what happens. There is no replay:
        ``Last-Event-ID`` is not looked at, whoever comes back is told anew how things stand.
        ``end`` tells why the stream ends: a right is gone, or the token.
        """
        keys = query.keys()
        async with self.watch.reading(call.token, call.address) as reader:
            await self.watch(reader, keys)  # what it refuses is answered with its status
        return EventStream(self._blocks(call, keys))

    async def _blocks(self, call: Call, keys: Collection[Key]) -> AsyncIterator[bytes]:
        yield BEGIN
        try:
            async with self.watch.reading(call.token, call.address) as reader:
                watch = await self.watch(reader, keys)
                yield _written(reader.at_once()) + READY
                following = asyncio.ensure_future(reader.next())
                try:
                    while True:
                        await asyncio.wait([following], timeout=self.heartbeat_seconds)
                        if not following.done():
                            yield HEARTBEAT
                            continue
                        told = following.result()
                        following = asyncio.ensure_future(reader.next())
                        yield _written(told)
                        if watch.ended is not None:
                            raise watch.ended
                finally:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
        except Refused as refusal:
            yield _end(refusal_answer(refusal).detail)
        except Unavailable as outage:
            yield _end(unavailable_answer(outage).detail)
        except TooSlow:
            yield _end(TOO_SLOW)


def _written(told: Sequence[Told]) -> bytes:
    return b"".join(_block(one.event) for one in told if one.event is not None)


def _block(event: Event) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.kind.value.encode(), dump(event_model(event)))


def _end(detail: str) -> bytes:
    return b"event: end\ndata: %b\n\n" % dump({"detail": detail})

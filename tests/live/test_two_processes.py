"""Two processes on one PostgreSQL: what happens in one is told, and ended, in the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.notices import PostgresNotices
from pepeunit.codecs.live import NoticeJson
from pepeunit.domain.access.agent import ANONYMOUS
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.live.event import EventKind
from pepeunit.domain.messaging.topic import parse_topic
from pepeunit.domain.users.user import UserStatus
from pepeunit.usecases.live.relay import Relay
from tests.contracts.conftest import engine, postgres_url  # noqa: F401 fixtures
from tests.doors.graphql.platform import Gql, served
from tests.doubles.rows import Household, stored
from tests.live.speaking import (
    DEADLINE_SECONDS,
    VALUES,
    bare,
    connected,
    streaming,
    subscription,
    until,
)


@asynccontextmanager
async def joined(url: str, name: str) -> AsyncIterator[Gql]:
    """A whole graph of its own, with its doors, on the shared store."""
    async with AsyncExitStack() as stack:
        own, ear = connect(url), connect(url, is_pooled=False)
        stack.push_async_callback(own.dispose)
        stack.push_async_callback(ear.dispose)
        gql = await stack.enter_async_context(served(PostgresDatabase(own)))
        notices = PostgresNotices(own, ear)
        relay = Relay(gql.use.events(), gql.use.load_events(), notices, NoticeJson(), name)
        task = asyncio.create_task(relay.run())
        try:
            yield gql
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def both(postgres_url: str, engine: AsyncEngine) -> AsyncIterator[tuple[Gql, Gql, Household]]:  # noqa: F811
    """Where devices and owners are, where a stranger watches, and what there is."""
    house = await stored(PostgresDatabase(engine))
    async with joined(postgres_url, "one") as one, joined(postgres_url, "two") as two:
        yield one, two, house


async def told(hear: Callable[[], Awaitable[Any]], is_it: Callable[[Any], bool]) -> None:
    """Hears past what is told again: a second after somebody begins to watch, how things stand is
    read once more."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_it(await hear()):
            pass


def event_of(message: dict[str, Any], field: str, name: str) -> Any:
    return message["payload"]["data"].get(field, {}).get(name)


async def test_a_device_on_one_process_is_watched_on_the_other(
    both: tuple[Gql, Gql, Household],
) -> None:
    one, two, house = both
    node, unit = house.output, house.unit
    async with (
        connected(two.port, None) as socket,
        streaming(two.port, None, f"nodes={node.uuid}") as stream,
    ):
        await stream.begun()
        await socket.subscribe("1", VALUES, str(node.uuid))
        await socket.event()
        await socket.subscribe("2", subscription("unitPresence"), str(unit.uuid))
        await socket.event("2")
        wanted = (EventKind.UNIT_PRESENCE, unit.uuid)
        await until(
            lambda: node.uuid in one.use.events().nodes and one.use.events().is_wanted(*wanted)
        )
        topic = parse_topic(f"iot.example/{node.uuid}/pepeunit", {"iot.example"})
        assert topic is not None
        one.use.tap_messages().values([(topic, b"21.5", 0, ANONYMOUS)], 1_000)
        await told(socket.hear, lambda message: event_of(message, "nodeValue", "value") == "21.5")
        await told(stream.block, lambda block: block[1].get("value") == "21.5")
        async with one.use.database().begin() as tx:
            await tx.units.mark_presence(unit.uuid, is_online=True, at=house.unit.create_datetime)
        await told(
            socket.hear, lambda message: event_of(message, "unitPresence", "isOnline") is True
        )


async def test_w28_a_right_taken_on_one_process_ends_what_is_watched_on_the_other(
    both: tuple[Gql, Gql, Household],
) -> None:
    one, two, house = both
    node = house.output
    async with (
        connected(two.port, None) as socket,
        streaming(two.port, None, f"nodes={node.uuid}") as stream,
    ):
        await stream.begun()
        await socket.subscribe("1", VALUES, str(node.uuid))
        await socket.event()
        async with one.use.database().begin() as tx:
            found = await tx.nodes.get(node.uuid)
            assert found is not None
            await tx.nodes.put([evolve(found, visibility_level=Visibility.PRIVATE)])
        assert await socket.refused() == "422: 2: Validation Error: node not found"
        assert await stream.ended() == "422: 2: Validation Error: node not found"


async def test_w22_a_user_blocked_on_one_process_is_sent_away_on_the_other(
    both: tuple[Gql, Gql, Household],
) -> None:
    one, two, house = both
    await one.sign_up("watcher")
    async with connected(two.port, one.signed["watcher"]) as socket:
        await socket.subscribe("1", VALUES, str(house.output.uuid))
        await socket.event()
        async with one.use.database().begin() as tx:
            (user,) = [found for found in [await tx.users.by_login("watcher")] if found is not None]
            await tx.users.put(evolve(user, status=UserStatus.BLOCKED))
        assert await socket.closed() == 4403
    async with bare(two.port) as socket:  # what is remembered of the user is not believed
        await socket.send("connection_init", payload={"x-auth-token": one.signed["watcher"]})
        assert await socket.closed() == 4403

"""Who works at the same time: row locks, named locks and the outbox."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

from attrs import evolve

from pepeunit.domain.ids import CommandId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.ports.database import Database
from tests.doubles.rows import (
    NOON,
    Household,
    a_command,
    a_unit,
    stored,
)


async def opened(database: Database, count: int) -> None:
    """Let the store open its connections, so that what follows really happens at once."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(database.read())


async def test_two_who_lock_one_row_come_one_after_the_other(database: Database) -> None:
    home = await stored(database)
    events: list[str] = []

    async def raise_connections(name: str) -> None:
        async with database.begin() as tx:
            node = await tx.nodes.get(home.output.uuid, for_update=True)
            assert node is not None
            events.append(name)
            for _ in range(20):
                await tx.users.count()
            await tx.nodes.put([evolve(node, max_connections=node.max_connections + 1)])
            events.append(name)

    await opened(database, 4)
    await asyncio.gather(*(raise_connections(name) for name in "abcd"))
    assert events[::2] == events[1::2]
    async with database.read() as rows:
        node = await rows.nodes.get(home.output.uuid)
    assert node == evolve(home.output, max_connections=home.output.max_connections + 4)


async def test_a_named_lock_is_held_until_the_transaction_ends(database: Database) -> None:
    events: list[str] = []

    async def work(name: str) -> None:
        async with database.begin() as tx:
            await tx.lock("first user")
            events.append(name)
            for _ in range(20):
                await tx.users.count()
            events.append(name)

    await opened(database, 4)
    await asyncio.gather(*(work(name) for name in "abcd"))
    assert events[::2] == events[1::2]


async def test_the_newer_command_of_a_kind_replaces_the_older(database: Database) -> None:
    home = await stored(database)
    old, new = a_command(home.unit, payload="old"), a_command(home.unit, payload="new")
    other = a_command(home.unit, kind=CommandKind.LOG_SYNC)
    later = NOON + timedelta(minutes=1)
    async with database.begin() as tx:
        for command in (old, new, other):
            await tx.outbox.put(command)
        await tx.outbox.delete([old.uuid])
        claimed = await tx.outbox.claim(NOON, later, 10)
        assert {command.payload for command in claimed} == {"new", "{}"}
        assert {(command.attempts, command.retry_datetime) for command in claimed} == {(0, later)}
        await tx.outbox.withdraw(other.unit_uuid, other.kind)
        await tx.outbox.withdraw(other.unit_uuid, other.kind)
        await tx.outbox.delete([new.uuid])
        assert list(await tx.outbox.claim(later, later, 10)) == []


async def test_commands_are_claimed_oldest_first_and_when_they_are_due(database: Database) -> None:
    home, other = Household(), Household()
    commands = [
        a_command(unit, kind=kind, create_datetime=NOON - timedelta(seconds=age))
        for unit, kind, age in [
            (home.unit, CommandKind.UPDATE, 2),
            (home.unit, CommandKind.LOG_SYNC, 1),
            (other.unit, CommandKind.UPDATE, 3),
        ]
    ]
    soon, later = NOON + timedelta(seconds=1), NOON + timedelta(seconds=9)
    async with database.begin() as tx:
        await home.store(tx)
        await other.store(tx)
        for command in commands:
            await tx.outbox.put(command)
    async with database.begin() as tx:
        first = await tx.outbox.claim(NOON, later, 2)
        assert [command.uuid for command in first] == [commands[2].uuid, commands[0].uuid]
    async with database.begin() as tx:
        rest = await tx.outbox.claim(soon, later, 10)
        assert [command.uuid for command in rest] == [commands[1].uuid]
        assert list(await tx.outbox.claim(soon, later, 10, home.unit.uuid)) == []
        of_unit = await tx.outbox.claim(soon, later, 10, home.unit.uuid, early=True)
        assert [command.uuid for command in of_unit] == [commands[0].uuid, commands[1].uuid]
        assert len(await tx.outbox.claim(later, later, 10, home.unit.uuid)) == 2
        assert len(await tx.outbox.claim(soon, later, 10, early=True)) == 3
        assert len(await tx.outbox.claim(later, later, 10)) == 3


async def test_attempts_are_counted_and_tell_what_may_be_withdrawn(database: Database) -> None:
    home = await stored(database)
    told, untold = a_command(home.unit), a_command(home.unit, kind=CommandKind.LOG_SYNC)
    async with database.begin() as tx:
        await tx.outbox.put_many([told, untold])
        for _ in range(2):
            await tx.outbox.count_attempt([told.uuid, CommandId(uuid4())])
        await tx.outbox.count_attempt([])
        claimed = await tx.outbox.claim(NOON, NOON, 10)
        assert {command.kind: command.attempts for command in claimed} == {
            told.kind: 2,
            untold.kind: 0,
        }
        for command in (told, untold):
            await tx.outbox.withdraw(command.unit_uuid, command.kind, attempted=True)
        assert [one.kind for one in await tx.outbox.claim(NOON, NOON, 10)] == [untold.kind]
        await tx.outbox.put(evolve(told, uuid=CommandId(uuid4())))
        await tx.outbox.withdraw(told.unit_uuid, told.kind, attempted=True)
        assert await tx.outbox.length() == 2


async def test_two_claimers_never_get_one_command(database: Database) -> None:
    home = Household()
    units = [a_unit(home.repo, home.user) for _ in range(30)]
    async with database.begin() as tx:
        await home.store(tx)
        for unit in units:
            await tx.units.put(unit)
            await tx.outbox.put(a_command(unit))
    later = NOON + timedelta(minutes=1)

    async def claim() -> list[object]:
        async with database.begin() as tx:
            claimed = await tx.outbox.claim(NOON, later, 20)
            for _ in range(5):
                await tx.users.count()
            return [command.uuid for command in claimed]

    await opened(database, 2)
    both = await asyncio.gather(claim(), claim())
    assert len(both[0]) + len(both[1]) == 30
    assert len({*both[0], *both[1]}) == 30

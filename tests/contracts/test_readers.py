"""Reads that the driver runs by itself, and what they remember of the last second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from attrs import evolve
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.memory.broker import MemoryBroker
from pepeunit.adapters.postgres import prepared
from pepeunit.adapters.postgres.connections import ConnectionLimits, _readers, connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.prepared import VALUES_MAX, split
from pepeunit.adapters.postgres.readers import read_uuid
from pepeunit.adapters.postgres.recent import COUNT_SECONDS_MAX, SECONDS_MAX, Answers, Recent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.tokens import UserClaims
from pepeunit.domain.errors import Unauthenticated, Unavailable
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Slice
from pepeunit.ports.units import UnitQuery
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.access.authenticate import Authenticate
from tests.doubles.rows import a_user, stored

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = JwtTokens("s" * 32)
Change = Callable[[User], User | None]
ENDS: dict[str, Change] = {
    "w22_blocked": lambda user: evolve(user, status=UserStatus.BLOCKED),
    "w26_signed_out": lambda user: evolve(user, token_generation=user.token_generation + 1),
    "deleted": lambda _: None,
}


def authenticate(database: Database) -> Authenticate:
    return Authenticate(database, TOKENS, lambda: NOW, MemoryBroker(), "example.org")


def token_of(user: User) -> str:
    claims = UserClaims(user.uuid, int((NOW + timedelta(hours=1)).timestamp()))
    return TOKENS.sign(claims.as_mapping())


async def write(database: Database, user: User, changed: User | None) -> None:
    async with database.begin() as tx:
        if changed is None:
            await tx.users.delete(user.uuid)
        else:
            await tx.users.put(changed)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_w22_w26_a_token_ends_at_once_though_its_user_was_just_remembered(
    database: Database, end: Change
) -> None:
    user, ask = a_user(), authenticate(database)
    await write(database, user, user)
    assert (await ask(token_of(user))).uuid == user.uuid
    await write(database, user, end(user))
    with pytest.raises(Unauthenticated):
        await ask(token_of(user))


async def test_w22_a_role_that_is_taken_away_is_gone_at_once(database: Database) -> None:
    user, ask = a_user(role=UserRole.ADMIN), authenticate(database)
    await write(database, user, user)
    assert (await ask(token_of(user))).is_admin
    await write(database, user, evolve(user, role=UserRole.USER))
    assert not (await ask(token_of(user))).is_admin


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_w22_w26_what_another_process_ends_is_ended_within_a_second(
    engine: AsyncEngine, end: Change
) -> None:
    database, elsewhere, user, moment = (
        PostgresDatabase(engine),
        PostgresDatabase(engine),
        a_user(),
        0.0,
    )
    database._recent.users.clock = lambda: moment
    ask = authenticate(database)
    await write(database, user, user)
    await ask(token_of(user))
    await write(elsewhere, user, end(user))
    moment += SECONDS_MAX - 0.01
    await ask(token_of(user))  # remembered: this is the bound
    moment += 0.01
    with pytest.raises(Unauthenticated):
        await ask(token_of(user))


async def asked_within(answers: Answers[int], took: float, waited: float) -> int:
    """How often the store is asked by two questions, the second that long after the first."""
    moment, asked = 0.0, 0

    async def ask() -> int:
        nonlocal moment, asked
        moment += took
        asked += 1
        return asked

    answers.clock = lambda: moment
    await answers.get("how many", ask)
    moment = waited
    await answers.get("how many", ask)
    return asked


@pytest.mark.parametrize(
    ("took", "remembered"), [(0.001, SECONDS_MAX), (0.03, 3.0), (20.0, COUNT_SECONDS_MAX)]
)
async def test_a_count_is_remembered_for_a_hundred_times_what_it_took_within_bounds(
    took: float, remembered: float
) -> None:
    assert await asked_within(Recent().counts, took, remembered - 0.01) == 1
    assert await asked_within(Recent().counts, took, remembered + 0.01) == 2


async def test_w22_a_user_is_remembered_for_a_second_however_long_it_took() -> None:
    assert await asked_within(Answers(), 20.0, SECONDS_MAX - 0.01) == 1
    assert await asked_within(Answers(), 20.0, SECONDS_MAX + 0.01) == 2


async def test_w22_an_end_that_was_rolled_back_ends_nothing(database: Database) -> None:
    user, ask = a_user(), authenticate(database)
    await write(database, user, user)
    with pytest.raises(LookupError):
        async with database.begin() as tx:
            await tx.users.put(evolve(user, status=UserStatus.BLOCKED))
            assert (await tx.users.recall(user.uuid)) != user
            assert (await ask(token_of(user))).uuid == user.uuid
            raise LookupError
    assert (await ask(token_of(user))).uuid == user.uuid


async def test_a_connection_that_was_lost_is_replaced(engine: AsyncEngine) -> None:
    database, user = PostgresDatabase(engine), a_user()
    await write(database, user, user)
    async with database.read() as rows:
        assert await rows.users.get(user.uuid) == user
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as other:
        await other.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        deadline = asyncio.get_running_loop().time() + 10
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with database.read() as rows:
                    assert await rows.users.get(user.uuid) == user
                break
            except Unavailable:
                await asyncio.sleep(0)
        else:
            raise AssertionError("no new connection")


async def test_a_cancelled_read_gives_its_turn_back(engine: AsyncEngine, postgres_url: str) -> None:
    narrow = connect(postgres_url, ConnectionLimits(readers_max=1, pool_wait_seconds=0.05))
    database, user = PostgresDatabase(narrow), a_user()
    await write(database, user, user)
    locked, seen = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with engine.begin() as other:
            await other.execute(text("LOCK TABLE users"))
            locked.set()
            await seen.wait()

    async def look() -> User | None:
        async with database.read() as rows:
            return await rows.users.get(user.uuid)

    holding = asyncio.ensure_future(hold())
    await locked.wait()
    waiting = asyncio.ensure_future(look())
    while not _readers[narrow]._turns.locked():
        await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="in use"):
        await look()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    seen.set()
    await holding
    assert await look() == user
    await narrow.dispose()


async def test_w41_queries_of_one_shape_share_a_statement_and_not_their_values(
    database: Database,
) -> None:
    home = await stored(database)
    for search in (home.unit.name, "50%", "a_b", "\\", "%"):
        query = UnitQuery(Scope(everything=True), search=search, slice=Slice(0, 5))
        async with database.read() as rows:
            found = await rows.units.find(query)
        assert found.count == len(found.items) == (search == home.unit.name)


def test_order_and_slice_are_no_part_of_a_shape_and_values_are_apart() -> None:
    one, other = a_user(), a_user()
    shape, values = split(UserQuery(uuids=frozenset({one.uuid}), search="a b"))
    alike, others = split(UserQuery(uuids=frozenset({other.uuid}), search="c%", slice=Slice(1, 2)))
    assert shape != alike  # two words and one
    assert values == {"uuids": (one.uuid,), "search_0": "%a%", "search_1": "%b%"}
    assert others == {"uuids": (other.uuid,), "search_0": "%c\\%%"}
    assert split(UserQuery())[0] == split(UserQuery(slice=Slice(0, 1)))[0]
    assert split(UserQuery(uuids=frozenset()))[0] != split(UserQuery())[0]


async def test_a_search_of_many_words_is_answered_and_not_kept(engine: AsyncEngine) -> None:
    database, user = PostgresDatabase(engine), a_user()
    await write(database, user, user)
    words = " ".join([user.login] * (VALUES_MAX + 1))
    before = len(prepared._prepared)
    async with database.read() as rows:
        assert (await rows.users.find(UserQuery(search=words))).items == (user,)
    assert len(prepared._prepared) == before


def test_a_uuid_that_is_read_is_one_of_the_library_s() -> None:
    for expected in (UUID(int=0), UUID(int=2**128 - 1), uuid4()):
        found = read_uuid(expected.bytes)
        assert type(found) is UUID
        assert (found, hash(found), str(found)) == (expected, hash(expected), str(expected))
        assert found.is_safe is expected.is_safe

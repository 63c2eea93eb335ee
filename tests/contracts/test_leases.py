"""What named leases promise."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.leases import PostgresLeases
from pepeunit.domain.errors import Unavailable
from pepeunit.ports.leases import Leases

RELEASE_SECONDS = 5.0


async def test_a_lease_has_one_holder_and_is_free_afterwards(leases: Leases) -> None:
    async with leases.hold("one") as first, leases.hold("one") as second:
        assert (first, second) == (True, False)
        async with leases.hold("two") as other, leases.hold("one") as third:
            assert (other, third) == (True, False)
    async with leases.hold("one") as again:
        assert again


async def test_losing_a_try_does_not_free_the_holders_lease(leases: Leases) -> None:
    async with leases.hold("one") as first:
        assert first
        for _ in range(3):
            async with leases.hold("one") as second:
                assert not second


async def test_an_exception_frees_the_lease(leases: Leases) -> None:
    with pytest.raises(ZeroDivisionError):
        async with leases.hold("one"):
            raise ZeroDivisionError
    async with leases.hold("one") as again:
        assert again


async def test_of_many_who_try_at_once_one_wins(leases: Leases) -> None:
    decided = asyncio.Barrier(5)

    async def attempt() -> bool:
        async with leases.hold("one") as ours:
            await decided.wait()
            return ours

    assert sorted(await asyncio.gather(*(attempt() for _ in range(5)))) == [False] * 4 + [True]


async def test_the_lease_of_a_dead_connection_is_free(
    engine: AsyncEngine, postgres_url: str
) -> None:
    leases = PostgresLeases(connect(postgres_url, is_pooled=False))
    async with leases.hold("one") as first:
        assert first
        async with engine.connect() as killer:
            await killer.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
                )
            )
        deadline = time.monotonic() + RELEASE_SECONDS
        while True:
            async with leases.hold("one") as second:
                if second or time.monotonic() > deadline:
                    break
        assert second


async def test_a_lease_of_a_store_that_is_down_is_unavailable() -> None:
    leases = PostgresLeases(connect("postgresql://nobody@127.0.0.1:1/none", is_pooled=False))
    with pytest.raises(Unavailable, match="PostgreSQL"):
        async with leases.hold("one"):
            pass

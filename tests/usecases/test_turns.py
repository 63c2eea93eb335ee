"""Turns: a share for each account, and no wait without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from pepeunit.domain.errors import Throttled, Unavailable
from pepeunit.usecases.access.turns import WAITING_MAX, Turns


@asynccontextmanager
async def held(turns: Turns, *accounts: str) -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        for account in accounts:
            await stack.enter_async_context(turns.one_of(account))
        yield stack


async def take(turns: Turns, account: str, order: list[str]) -> None:
    async with turns.one_of(account):
        order.append(account)


@pytest.mark.parametrize(("turns_max", "share"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)])
async def test_w38_an_account_has_half_of_the_turns_and_always_one(
    turns_max: int, share: int
) -> None:
    turns = Turns("uploads", turns_max, 0.05)
    assert turns.share_max == share
    async with held(turns, *["a"] * share):
        with pytest.raises(Throttled, match=f"you have {share} uploads under way") as refused:
            await take(turns, "a", [])
        assert (refused.value.limit, refused.value.retry_after_seconds) == (share, 5.0)
        if turns_max > share:
            await take(turns, "b", [])
    await take(turns, "a", [])


async def test_who_finds_all_turns_taken_by_others_is_refused_in_time() -> None:
    turns = Turns("exports", 2, 0.05)
    async with held(turns, "a", "b"), asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await take(turns, "c", [])
    await take(turns, "c", [])


async def test_who_waits_is_served_in_order_past_accounts_that_have_their_share() -> None:
    turns, order = Turns("uploads", 4), list[str]()
    async with held(turns, "b", "c"):
        async with held(turns, "a", "a"):
            waiting = [asyncio.create_task(take(turns, one, order)) for one in ("a", "d", "e", "a")]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
    assert order == ["a", "d", "e", "a"]
    order.clear()
    async with held(turns, "a", "a", "c") as stack:
        async with held(turns, "b"):
            waiting = [asyncio.create_task(take(turns, one, order)) for one in ("a", "d", "e")]
            await asyncio.sleep(0)
            assert not order
        await asyncio.gather(*waiting[1:])
        assert order == ["d", "e"]
        await stack.aclose()
        await waiting[0]
    assert order == ["d", "e", "a"]


async def test_who_hangs_up_while_waiting_or_as_it_is_given_keeps_no_turn() -> None:
    turns = Turns("uploads", 2)
    for given in (False, True):
        async with held(turns, "a", "b") as stack:
            waiting = asyncio.create_task(take(turns, "c", []))
            await asyncio.sleep(0)
            if given:
                await stack.aclose()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert not turns._held and not turns._waiting


async def test_who_comes_when_very_many_wait_is_refused_at_once() -> None:
    turns = Turns("uploads", 2, 30.0)
    async with held(turns, "a", "b"):
        waiting = [asyncio.create_task(take(turns, str(n), [])) for n in range(WAITING_MAX)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable, match=f"{WAITING_MAX} wait already"):
                await take(turns, "late", [])
    await asyncio.gather(*waiting)
    assert not turns._held and not turns._waiting

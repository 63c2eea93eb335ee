"""What only a few may do at a time, in turns, and nobody at the expense of all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from attrs import define, field

from pepeunit.domain.errors import Throttled, Topic, Unavailable

TURN_SECONDS_MAX: Final = 30.0
"""Who waited so long for a turn is told to come back."""
RETRY_SECONDS: Final = 5.0
WAITING_MAX: Final = 256
"""Who comes when so many wait is told to come back at once."""


@define(eq=False)
class Turns:
    """``turns_max`` at a time, of which one account has half at most, and always one.

    Who waits is served in the order of coming; an account that has its share is passed over.
    ``what`` names it for callers: "uploads".
    """

    what: str
    turns_max: int
    seconds_max: float = TURN_SECONDS_MAX
    _held: Counter[Hashable] = field(factory=Counter, init=False)
    _waiting: dict[asyncio.Future[None], Hashable] = field(factory=dict, init=False)
    """Whose turn each is to be, in order."""

    @property
    def share_max(self) -> int:
        """Turns of one account."""
        return max(1, self.turns_max // 2)

    @asynccontextmanager
    async def one_of(self, account: Hashable) -> AsyncIterator[None]:
        """Hold a turn. After ``seconds_max`` without one, raises ``Throttled`` (topic entity)
        when the account has its share already, and ``Unavailable`` when others have them all."""
        await self._take(account)
        try:
            yield
        finally:
            self._give_back(account)

    def _give_back(self, account: Hashable) -> None:
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]
        self._pass_on()

    async def _take(self, account: Hashable) -> None:
        if self._is_free_for(account):  # nobody who waits could take it: each end passes it on
            self._held[account] += 1
            return
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable(self.what, f"{WAITING_MAX} wait already, try again")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = account
        try:
            async with asyncio.timeout(self.seconds_max):
                await asyncio.shield(turn)
        except BaseException as error:
            if self._waiting.pop(turn, None) is None:  # given at this very moment
                self._give_back(account)
            if isinstance(error, TimeoutError):
                raise self._refusal(account) from None
            raise

    def _pass_on(self) -> None:
        for turn, account in list(self._waiting.items()):
            if self._is_free_for(account):
                del self._waiting[turn]
                self._held[account] += 1
                turn.set_result(None)

    def _is_free_for(self, account: Hashable) -> bool:
        return self._held.total() < self.turns_max and self._held[account] < self.share_max

    def _refusal(self, account: Hashable) -> Exception:
        if self._held[account] < self.share_max:
            return Unavailable(self.what, f"{self.turns_max} are under way, try again")
        return Throttled(
            f"you have {self.share_max} {self.what} under way",
            Topic.ENTITY,
            limit=self.share_max,
            actual=self.share_max + 1,
            retry_after_seconds=RETRY_SECONDS,
        )

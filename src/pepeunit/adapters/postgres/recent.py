"""What was asked of the store a moment ago, remembered while nothing changes it.

People turn pages, and one token asks many times a second: counting every row that matches costs a
hundred times the page, and looking a user up costs more than the answer to many requests. What
this process writes forgets at once; what other processes do is seen within SECONDS_MAX, by a
count that takes long within COUNT_SECONDS_MAX.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from attrs import define, field, frozen

from pepeunit.domain.users.user import User

V = TypeVar("V")

SECONDS_MAX: Final = 1.0
COUNT_SECONDS_MAX: Final = 5.0
COUNT_SHARE: Final = 0.01
"""Of the time that one count may take while it is asked for ever: one of 30 ms is remembered for
3 s."""
ANSWERS_MAX: Final = 1_024


@define(eq=False)
class _Asked(Generic[V]):
    until: float
    answer: asyncio.Future[V]


@define(eq=False)
class Answers(Generic[V]):
    """Answers by question. Who asks what is being asked already waits for that answer; one that
    was asked for before a change is not given after it, and a failure is not remembered.

    An answer is remembered for SECONDS_MAX, or for longer where it took more than ``share`` of
    that, but never for more than ``seconds_max``.
    """

    clock: Callable[[], float] = time.monotonic
    share: float = 1.0
    seconds_max: float = SECONDS_MAX
    _asked: dict[Hashable, _Asked[V]] = field(factory=dict, init=False)

    async def get(self, question: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        """An answer of a moment ago at most; counted from the moment it was asked for."""
        now = self.clock()
        found = self._asked.get(question)
        if found is None or now >= found.until:
            found = _Asked(now + SECONDS_MAX, asyncio.ensure_future(ask()))
            if len(self._asked) >= ANSWERS_MAX:
                self._asked.clear()
            self._asked[question] = found
            # who goes away must not take the answer from the others
            await asyncio.wait((found.answer,))
            took = self.clock() - now
            found.until = now + max(SECONDS_MAX, min(took / self.share, self.seconds_max))
        elif not found.answer.done():
            await asyncio.wait((found.answer,))
        answer = found.answer
        failed = answer.cancelled() or answer.exception() is not None
        if failed and self._asked.get(question) is found:
            del self._asked[question]
        return answer.result()

    def forget(self) -> None:
        self._asked.clear()


@frozen(eq=False)
class Recent:
    """``counts`` by query, ``users`` by their uuid."""

    counts: Answers[int] = field(
        factory=lambda: Answers(share=COUNT_SHARE, seconds_max=COUNT_SECONDS_MAX)
    )
    users: Answers[User | None] = field(factory=Answers)

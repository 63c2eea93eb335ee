"""What was asked of the store within the last second, remembered while nothing changes it.

People turn pages, and one token asks many times a second: counting every row that matches costs a
hundred times the page, and looking a user up costs more than the answer to many requests. What
this process writes forgets at once; what other processes do is seen within SECONDS_MAX.
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
ANSWERS_MAX: Final = 1_024


@define(eq=False)
class Answers(Generic[V]):
    """Answers by question. Who asks what is being asked already waits for that answer; one that
    was asked for before a change is not given after it, and a failure is not remembered."""

    clock: Callable[[], float] = time.monotonic
    _asked: dict[Hashable, tuple[float, asyncio.Future[V]]] = field(factory=dict, init=False)

    async def get(self, question: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer of a second ago at most; counted from the moment it was asked for."""
        now = self.clock()
        found = self._asked.get(question)
        if found is None or now >= found[0]:
            found = now + SECONDS_MAX, asyncio.ensure_future(ask())
            if len(self._asked) >= ANSWERS_MAX:
                self._asked.clear()
            self._asked[question] = found
        answer = found[1]
        if not answer.done():
            # who goes away must not take the answer from the others
            await asyncio.wait((answer,))
        failed = answer.cancelled() or answer.exception() is not None
        if failed and self._asked.get(question) is found:
            del self._asked[question]
        return answer.result()

    def forget(self) -> None:
        self._asked.clear()


@frozen(eq=False)
class Recent:
    """``counts`` by query, ``users`` by their uuid."""

    counts: Answers[int] = field(factory=Answers)
    users: Answers[User | None] = field(factory=Answers)

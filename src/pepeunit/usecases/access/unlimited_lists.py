"""At most so many lists without limit at a time from one address (rulings 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class TooManyLists(Exception):
    """The address already runs ``lists_max`` lists without limit."""

    def __init__(self, lists_max: int) -> None:
        super().__init__(f"more than {lists_max} lists without limit")
        self.lists_max = lists_max


class UnlimitedLists:
    def __init__(self, lists_max: int) -> None:
        self._lists_max = lists_max
        self._running: Counter[str] = Counter()

    @contextmanager
    def one_of(self, address: str) -> Iterator[None]:
        """Hold a place while a list runs. Raises :class:`TooManyLists`."""
        if self._running[address] >= self._lists_max:
            raise TooManyLists(self._lists_max)
        self._running[address] += 1
        try:
            yield
        finally:
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]

"""Short texts from one process of an installation to the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from pepeunit.domain.live.event import Event, Key

NOTICE_BYTES_MAX: Final = 7_900
"""PostgreSQL carries less than 8 000."""


class Notices(Protocol):
    """Told to whoever hears at that moment, in order of each teller; kept for nobody."""

    async def tell(self, notices: Sequence[str]) -> None:
        """Each of at most NOTICE_BYTES_MAX bytes. Raises ``Unavailable``."""
        ...

    def hearing(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """What is told, by this process too, from the moment the context is entered.

        The iterator raises ``Unavailable`` when the connection is lost, or what was heard outgrew
        its room: something may then have been missed. Entering raises it as well.
        """
        ...


class NoticeForm(Protocol):
    """How events and keys are written into notices of at most NOTICE_BYTES_MAX bytes."""

    def carried(self, event: Event) -> Any | None:
        """A value or a log entry as an item; None for what does not fit, and for rows."""
        ...

    def event_of(self, item: Any) -> Event: ...

    def key(self, key: Key) -> Any: ...

    def key_of(self, item: Any) -> Key: ...

    def write(self, teller: str, part: str, items: Iterable[Any]) -> Iterator[str]:
        """As few notices as hold the items."""
        ...

    def read(self, notice: str) -> tuple[str, str, Sequence[Any]]:
        """Who told, which part of the talk it is, its items. Raises ``ValueError``."""
        ...

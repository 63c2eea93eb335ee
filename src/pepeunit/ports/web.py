"""HTTP to hosts that users name (spec access.md W15, rulings 24)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from attrs import frozen

JSON: Final = "application/json"
ANSWER_BYTES_MAX: Final = 8 * 2**20

Write = Callable[[bytes], Awaitable[None]]
"""Takes the next piece of a download; what it raises ends the download."""


@frozen
class Answer:
    """``headers`` has lower-case names; ``body`` is empty for what was downloaded."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Web(Protocol):
    """Every hop is checked, redirects are counted, answers are bounded.

    The ``secrets`` are headers that never leave the first origin. Both methods raise
    :class:`~pepeunit.domain.errors.Invalid` for a refused address, endless redirects and answers
    over a limit, :class:`~pepeunit.domain.errors.Unavailable` when nobody answers in time.
    """

    async def get(
        self,
        url: str,
        secrets: Mapping[str, str],
        *,
        accept: str = JSON,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer: ...

    async def download(
        self, url: str, secrets: Mapping[str, str], write: Write, *, accept: str = "*/*"
    ) -> Answer:
        """GET a file; only the body of a status 200 is written.

        Raises ``Invalid`` also for an encoded body and for a page instead of a file, which is how
        hosts ask for a sign-in.
        """
        ...

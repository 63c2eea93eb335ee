"""Whether everything a caller needs is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from attrs import frozen

from pepeunit.domain.errors import Unavailable

Check = Callable[[], Awaitable[object]]
"""Returns when its part is there, raises ``Unavailable`` otherwise."""

CHECK_SECONDS_MAX: Final = 2.0


@frozen
class CheckReadiness:
    """All checks at once, each within two seconds; what is missing and why, empty when ready."""

    checks: Mapping[str, Check]

    async def __call__(self) -> Sequence[tuple[str, str]]:
        reasons = await asyncio.gather(*(_reason(check) for check in self.checks.values()))
        return [
            (name, reason)
            for name, reason in zip(self.checks, reasons, strict=True)
            if reason is not None
        ]


async def _reason(check: Check) -> str | None:
    try:
        await asyncio.wait_for(check(), CHECK_SECONDS_MAX)
    except Unavailable as outage:
        return str(outage)
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS_MAX:g} s"
    return None

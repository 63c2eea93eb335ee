"""The operating system's resolver as a port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from pepeunit.domain.errors import Unavailable

RESOLVE_SECONDS_MAX: Final = 5.0


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of ``host``; a numeric host answers itself (see ``ports.resolver``)."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS_MAX):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise Unavailable("DNS", f"the host {host} cannot be resolved") from None
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))

"""Presence events on their way to the platform, in order and never lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.devices.platform import Presence

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0


class Reports:
    """Tells the platform who is connected. At most one entry per agent waits: a newer state
    of the same agent replaces the older one."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._online: dict[Agent, bool] = {}
        self._listening: set[Agent] = set()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def connected(self, agent: Agent) -> None:
        self._put(agent, online=True)

    def disconnected(self, agent: Agent) -> None:
        self._listening.discard(agent)
        self._put(agent, online=False)

    def listening(self, agent: Agent) -> None:
        self._listening.add(agent)
        self._wake()

    async def drained(self) -> None:
        await self._idle.wait()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._more.wait()
            try:
                await self._report()
            except Unavailable as error:
                logger.warning("presence was not stored, trying again: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _report(self) -> None:
        """Whatever waits; an entry leaves only when the platform has taken it."""
        while self._online or self._listening:
            if self._online:
                agent, online = next(iter(self._online.items()))
                tell = self._presence.connected if online else self._presence.disconnected
                await self._guard(tell(agent))
                if self._online.get(agent) is online:
                    del self._online[agent]
            else:
                agent = self._listening.pop()
                try:
                    await self._guard(self._presence.listening(agent))
                except Unavailable:
                    self._listening.add(agent)
                    raise
        self._more.clear()
        self._idle.set()

    async def _guard(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Unavailable:
            raise
        except Exception:
            logger.exception("a presence event was refused")

    def _put(self, agent: Agent, *, online: bool) -> None:
        self._online.pop(agent, None)
        self._online[agent] = online
        self._wake()

    def _wake(self) -> None:
        self._idle.clear()
        self._more.set()

"""The MQTT endpoint: the listener for devices (rulings 27 to 29)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from typing import Any

from pepeunit.codecs.mqtt.wire import Reason
from pepeunit.entrypoints.devices.broker import Broker
from pepeunit.entrypoints.devices.connection import Connection
from pepeunit.entrypoints.devices.counters import Counters
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform

logger = logging.getLogger(__name__)


class Endpoint:
    """The listeners for devices. ``start`` and ``stop`` it once, in one event loop."""

    def __init__(
        self, exchange: Exchange, platform: Platform, limits: Limits | None = None
    ) -> None:
        self._broker = Broker(exchange, platform, limits or Limits())
        self._servers: list[asyncio.Server] = []

    @property
    def counters(self) -> Counters:
        return self._broker.counters

    @property
    def connected_clients(self) -> int:
        return len(self._broker.clients)

    @property
    def port(self) -> int:
        """The port that is listened on; the chosen one after ``start`` with port 0."""
        if not self._servers:
            raise RuntimeError("the endpoint is not started")
        return int(self._servers[0].sockets[0].getsockname()[1])

    @property
    def is_listening(self) -> bool:
        return bool(self._servers) and all(server.is_serving() for server in self._servers)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self.listen(host, port, tls)
        self._broker.start()

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """One more port for the same broker. Raises OSError when it is taken."""
        limits = self._broker.limits
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._broker),
            host,
            port,
            ssl=tls,
            backlog=limits.backlog,
            ssl_handshake_timeout=limits.connect_seconds if tls else None,
        )
        self._servers.append(server)

    async def stop(self) -> None:
        """Stop within ``stop_seconds``: what was received is stored and acknowledged first.

        Clients of MQTT 5 are told. Wills are not published: it is the platform that goes.
        """
        broker = self._broker
        share = broker.limits.stop_seconds / 4
        for server in self._servers:
            server.close()
        await _within(share, broker.inbox.drained())
        for session in broker.exchange.sessions():
            session.will = None
        for client in list(broker.clients):
            client.close(Reason.SHUTTING_DOWN)
        if not await _within(share, broker.emptied()):
            for client in list(broker.clients):
                client.abort()
        await _within(share, broker.reports.drained())
        await broker.stop()
        for server in self._servers:
            await _within(share, server.wait_closed())


async def _within(seconds: float, work: Coroutine[Any, Any, Any]) -> bool:
    """False if ``work`` took longer than that and was given up."""
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        logger.warning("stopping without waiting any longer")
        return False
    return True

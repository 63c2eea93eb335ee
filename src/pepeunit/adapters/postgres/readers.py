"""Connections that run single statements outside transactions, driven by asyncpg itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, SafeUUID

import asyncpg
import orjson
from attrs import define, field

from pepeunit.adapters.postgres.refusals import DEPENDENCY, border, driver_border
from pepeunit.domain.errors import Unavailable

_new, _from_bytes = object.__new__, int.from_bytes
_set_int, _set_is_safe = (vars(UUID)[name].__set__ for name in ("int", "is_safe"))
_UNKNOWN: Final = SafeUUID.unknown  # looked up once: an enum's member is found by Python code


def read_uuid(octets: bytes) -> UUID:
    """As ``UUID(bytes=octets)``, whose look at its other arguments takes six times as long."""
    uuid = _new(UUID)
    _set_int(uuid, _from_bytes(octets, "big"))
    _set_is_safe(uuid, _UNKNOWN)
    return uuid


async def set_uuid_codec(connection: Any) -> None:
    """The driver's own UUID class is one that orjson refuses."""
    await connection.set_type_codec(
        "uuid",
        schema="pg_catalog",
        encoder=lambda uuid: uuid.bytes,
        decoder=read_uuid,
        format="binary",
    )


async def _prepare(connection: Any) -> None:
    await set_uuid_codec(connection)
    await connection.set_type_codec(
        "json",
        schema="pg_catalog",
        encoder=str.encode,
        decoder=_read_json,
        format="binary",
    )


def _read_json(octets: bytes) -> Any:
    """Ten times as fast as the library's own, which reads half a surrogate pair too."""
    try:
        return orjson.loads(octets)
    except orjson.JSONDecodeError:
        return json.loads(octets)


@define(eq=False)
class Readers:
    """``connections_max`` connections, opened as they are needed and kept.

    A single statement leaves nothing on its connection that must be reset, and one that did not
    end well takes its connection with it, so there is nothing to manage: asyncpg's pool costs a
    task and two turns of the loop for each statement.
    """

    _arguments: Mapping[str, Any] = field(repr=False)
    _connections_max: int
    _wait_seconds: float
    _idle: list[Any] = field(factory=list, init=False)
    _turns: asyncio.Semaphore = field(init=False)

    @_turns.default
    def _all_turns(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._connections_max)

    async def fetch(self, text: str, arguments: Sequence[Any]) -> list[Any]:
        """The rows as tuples. Raises ``Unavailable``, and ``Invalid`` for a value that does not
        fit."""
        await self._wait_for_a_turn()
        idle, is_whole = self._idle, False
        try:
            connection = await self._connection()
            try:
                with driver_border():
                    rows: list[Any] = await connection.fetch(text, *arguments)
                is_whole = True
            finally:
                if is_whole and idle is self._idle:
                    idle.append(connection)
                else:
                    connection.terminate()
        finally:
            self._turns.release()
        return rows

    async def _wait_for_a_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(DEPENDENCY, "every connection is in use") from None

    async def _connection(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        with border():
            connection = await asyncpg.connect(**self._arguments)
            try:
                await _prepare(connection)
            except BaseException:
                connection.terminate()
                raise
        return connection

    def end(self, _: object = None) -> None:
        """Close every connection at once; the next statement opens new ones."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.terminate()

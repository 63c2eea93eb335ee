"""One column store, its threads and their clients.

The library is synchronous and a client belongs to one thread, so every thread here has its own:
one writes, a few read, and every stream has one for itself. With the embedded engine the clients
share it, so a read does not wait for a large insert. Nothing runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, field, frozen

from pepeunit.adapters.clickhouse.migrations import migrate
from pepeunit.adapters.clickhouse.refusals import DEPENDENCY, border
from pepeunit.domain.errors import Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")

READ_THREADS: Final = 2
STREAMS_MAX: Final = 2
"""Streams at a time; more wait for one to end, for STREAM_WAIT_SECONDS_MAX."""
STREAM_WAIT_SECONDS_MAX: Final = 60.0
CONNECT_SECONDS_MAX: Final = 5
ANSWER_SECONDS_MAX: Final = 60
STREAM_ROWS: Final = 4_096
"""Rows in a block of a stream."""
ENGINE_OPTIONS: Final = {
    # small enough for a board with 1 GiB, where the defaults count on most of the memory
    "max_server_memory_usage": str(1 << 30),
    "mark_cache_size": str(64 << 20),
    "primary_index_cache_size": str(64 << 20),
    "query_condition_cache_size": str(8 << 20),
    # one merge at a time leaves the processor to the platform
    "background_pool_size": "1",
    "background_merges_mutations_concurrency_ratio": "1",
    "background_schedule_pool_size": "1",
}
SETTINGS: Final = {
    "max_threads": "2",
    "lightweight_delete_mode": "lightweight_update_force",
}


@frozen
class Address:
    """Where the store is: a folder of the embedded engine, or a server's HTTP interface.

    ``cluster`` names the cluster whose replicas hold the tables.
    """

    folder: Path | None = None
    url: str = field(default="", repr=False)
    cluster: str | None = None

    @classmethod
    def of(cls, url: str) -> Self:
        """Of ``chdb:///folder`` or ``http(s)://user:password@host:port/database?cluster=name``."""
        parts = urlsplit(url)
        if parts.scheme == "chdb":
            return cls(Path(unquote(parts.path)))
        cluster = parse_qs(parts.query).get("cluster", [None])[0]
        return cls(None, parts._replace(query="").geturl(), cluster)


def forgo_data_frames() -> None:
    """For a process that is the platform's alone: the library loads pandas, numpy and pyarrow at
    its first insert if they are installed, as they are beside the embedded engine. 43 MiB with the
    engine, 75 MiB without, for values that this package never gives it."""
    from clickhouse_connect.driver import options

    for name in ("np", "pd", "pd_time_test", "arrow", "pl"):
        setattr(options, name, None)


def open_client(address: Address) -> Any:
    """A client for the calling thread alone. Raises ``Unavailable``."""
    # late: the engine takes half a second and 150 MB to load
    import clickhouse_connect

    with border():
        if address.folder is not None:
            address.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return clickhouse_connect.get_client(
                interface="chdb",
                path=os.fspath(address.folder),
                chdb_options=dict(ENGINE_OPTIONS),
                settings=dict(SETTINGS),
            )
        parts = urlsplit(address.url)
        return clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or ""),
            database=unquote(parts.path.strip("/")) or "__default__",
            connect_timeout=CONNECT_SECONDS_MAX,
            send_receive_timeout=ANSWER_SECONDS_MAX,
            query_retries=0,
            autogenerate_session_id=False,
            dedicated_pool=True,
            settings=dict(SETTINGS),
        )


@define(eq=False)
class ClickHouse:
    """An open store; get one from :meth:`open`. Every call raises ``Unavailable`` when it is
    down, and comes back by itself."""

    address: Address
    stream_wait_seconds_max: float = STREAM_WAIT_SECONDS_MAX
    _local: threading.local = field(factory=threading.local, init=False)
    _clients: list[Any] = field(factory=list, init=False)
    _writer: ThreadPoolExecutor = field(
        factory=lambda: ThreadPoolExecutor(1, "clickhouse-write"), init=False
    )
    _readers: ThreadPoolExecutor = field(
        factory=lambda: ThreadPoolExecutor(READ_THREADS, "clickhouse-read"), init=False
    )
    _streams: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(STREAMS_MAX), init=False)
    _apart: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    @classmethod
    async def open(cls, address: Address) -> Self:
        """Connect, migrate, and warm up what the first insert would wait for.

        Raises ``Unavailable`` for a store that cannot be reached, is too old, or was written by a
        newer version; with the embedded engine also when another process has the folder open.
        """
        store = cls(address)
        # the library's warnings repeat what Unavailable says
        logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
        try:
            ran = await store.write(lambda client: migrate(client, address.cluster))
            if ran:
                log.info("migrated ClickHouse by %d steps", ran)
            await store.read(lambda client: client.command("SELECT 1"))
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """End the threads, after what they are doing."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for client in self._clients:
            with suppress(Exception):
                client.close()
        self._clients.clear()

    def _client(self) -> Any:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = open_client(self.address)
            client.set_client_setting("max_execution_time", str(ANSWER_SECONDS_MAX))
            self._clients.append(client)
        return client

    async def write(self, work: Callable[[Any], T]) -> T:
        """Run ``work`` with the client of the one thread that changes rows."""
        return await self._run(self._writer, work)

    async def read(self, work: Callable[[Any], T]) -> T:
        """Run ``work`` with the client of a thread that reads."""
        return await self._run(self._readers, work)

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[Any], T]) -> T:
        def call() -> T:
            with border():
                return work(self._client())

        try:
            answer = asyncio.get_running_loop().run_in_executor(threads, call)
        except RuntimeError as error:
            raise Unavailable(DEPENDENCY, "is closed") from error
        return await answer

    async def apart(self, work: Callable[[Any], T]) -> T:
        """Run ``work`` in a thread with a client of its own, one at a time: it may take long, and
        neither waits for a stream nor keeps one waiting. For whoever holds the machine."""

        def call() -> T:
            with border():
                client = open_client(self.address)
                try:
                    return work(client)
                finally:
                    client.close()

        async with self._apart:
            return await asyncio.to_thread(call)

    @asynccontextmanager
    async def _stream_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.stream_wait_seconds_max):
                await self._streams.acquire()
        except TimeoutError:
            raise Unavailable(DEPENDENCY, f"{STREAMS_MAX} streams are under way") from None
        try:
            yield
        finally:
            self._streams.release()

    async def stream(
        self, statement: str, parameters: Mapping[str, Any]
    ) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """The rows in blocks, all from the moment the statement began. Raises ``Unavailable``
        while too many others run."""
        loop = asyncio.get_running_loop()
        async with self._stream_turn():
            thread = ThreadPoolExecutor(1, "clickhouse-stream")
            reading = _Stream(self.address, statement, parameters)
            try:
                while (block := await loop.run_in_executor(thread, reading.next)) is not None:
                    yield block
            finally:
                thread.submit(reading.close)
                thread.shutdown(wait=False)


@define(eq=False)
class _Stream:
    """A query that is read block by block, in one thread with a client of its own."""

    address: Address
    statement: str
    parameters: Mapping[str, Any]
    _client: Any = None
    _blocks: Any = None

    def next(self) -> Sequence[Sequence[Any]] | None:
        with border():
            if self._client is None:
                self._client = open_client(self.address)
                context = self._client.query_row_block_stream(
                    self.statement,
                    parameters=dict(self.parameters),
                    settings={"max_block_size": STREAM_ROWS},
                )
                self._blocks = context.__enter__()
            for block in self._blocks:
                return list(block)
            return None

    def close(self) -> None:
        with suppress(Exception):
            self._client.close()


def insert(
    client: Any, table: str, columns: Sequence[tuple[str, str]], values: Iterable[Any], token: str
) -> None:
    """One append of whole columns. ``token`` is always sent: with a deduplication window and
    none, equal blocks would vanish."""
    taken = list(values)
    try:
        client.insert(
            table,
            taken,
            column_names=[name for name, _ in columns],
            column_type_names=[kind for _, kind in columns],
            column_oriented=True,
            settings={"insert_deduplication_token": token},
        )
    finally:
        # the library holds it in a cycle, until a collector that runs seldom finds it
        taken.clear()

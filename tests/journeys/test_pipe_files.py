"""CSV files of a node's data on the embedded stores, over REST (spec datapipe.md 9)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from attrs import frozen

from pepeunit.adapters.embedded.installation import Installation
from pepeunit.codecs.pipe_csv import moment_text
from pepeunit.domain.access.tokens import UserClaims
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.entrypoints.doors import rest_runner
from pepeunit.entrypoints.parts import load_settings, use_cases
from tests.doors.http.piping import EPOCH, VECTORS, records, set_config, table, unzipped, windowed
from tests.doors.http.piping import export as export_csv
from tests.doors.http.piping import import_csv as send_csv
from tests.doors.http.serving import Client, Reply
from tests.doors.http.test_pipe_csv import ONE, refused_at, rows_of, shown
from tests.doubles.memory import forget_peak, peak_mib
from tests.doubles.rows import Household, a_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d+)?")
MIB = 1024 * 1024


@frozen
class Life:
    """A node of alice's on real parts; speaks like the fixture of the doors' tests."""

    client: Client
    token: str
    database: Any

    async def ask(self, method: str, path: str, who: str = "alice", **options: Any) -> Reply:
        return await self.client.ask(method, path, self.token, **options)

    async def done(self, method: str, path: str, who: str = "alice", **options: Any) -> Any:
        reply = await self.ask(method, path, who, **options)
        assert reply.status in (200, 204), reply.content
        return reply.json if reply.content else {}


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[tuple[Life, str]]:
    with closing(Installation.open(folder)) as installation:
        settings, facts, _ = load_settings(installation, {"PU_HTTP_HOST": "127.0.0.1"})
        async with use_cases(settings, facts, installation) as use:
            home = Household()
            node = a_node(home.unit, topic_name="t/pepeunit", is_data_pipe_active=True)
            async with use.database().begin() as tx:
                await home.store(tx)
                await tx.nodes.put([node])
            claims = UserClaims(home.user.uuid, int(time.time()) + 3600)
            runner = rest_runner(use, settings, facts)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                async with aiohttp.ClientSession(auto_decompress=False) as session:
                    client = Client(session, runner.addresses[0][1])
                    yield (
                        Life(client, use.ports.tokens().sign(claims.as_mapping()), use.database()),
                        str(node.uuid),
                    )
            finally:
                await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Life, str]]:
    async with living(tmp_path_factory.mktemp("files") / "data") as life:
        yield life


def moved(text: str, by: timedelta) -> str:
    def later(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(found[0]).replace(tzinfo=UTC) + by
        return moment.replace(tzinfo=None).isoformat(" ")

    return MOMENT.sub(later, text)


@pytest.mark.parametrize("vector", VECTORS["csv"], ids=lambda v: v["id"])
async def test_csv_vectors_on_the_embedded_stores(lived: tuple[Life, str], vector: Any) -> None:
    """Moved by whole minutes, so that their clock is now."""
    life, node = lived
    passed = datetime.now(UTC) - EPOCH - timedelta(seconds=vector["now"])
    by = timedelta(minutes=passed // timedelta(minutes=1))
    assert (await set_config(life, node, records(9))).status == 204
    assert (await send_csv(life, node, ONE)).status == 204
    assert (await set_config(life, node, vector["config"])).status == 204
    before = await rows_of(life, node)
    reply = await send_csv(life, node, moved(vector["csv"], by))
    expected = vector["expect"]
    after = await rows_of(life, node)
    if "error_row" in expected:
        assert refused_at(reply, expected["error_row"]), reply.detail
        assert after == before
        return
    assert reply.status == 204, reply.content
    policy = vector["config"]["processing_policy"]["policy_type"]
    kept = after.pop(policy)
    found = [shown(row, EPOCH + by) for row in kept]
    assert set(map(len, after.values())) == {0}
    for row, wanted in zip(found, expected["rows"], strict=True):
        assert {key: row[key] for key in wanted} == pytest.approx(wanted)
    exported = await export_csv(life, node)
    assert exported.status == 200
    assert (await send_csv(life, node, unzipped(exported.content)[1])).status == 204
    assert (await rows_of(life, node))[policy] == kept


async def test_a_file_of_64_mib_is_taken_in_bounded_memory(
    lived: tuple[Life, str], tmp_path: Path
) -> None:
    """And comes back whole: the answers take the time of the machine, not its memory."""
    life, node = lived
    assert (await set_config(life, node, windowed(86_400))).status == 204
    file = tmp_path / "big.csv"
    count, start = 62_000, to_ms(datetime.now(UTC)) - 62_000_000
    with file.open("w", newline="") as out:
        out.write("state,create_datetime\n")
        for index in range(count):
            out.write(f"{index:0>1024},{moment_text(start + index * 1000)}\n")
    assert 60 * MIB < file.stat().st_size <= 64 * MIB
    form = aiohttp.FormData()
    with file.open("rb") as content:
        form.add_field("data", content, filename="big.csv")
        before = forget_peak()
        path = f"/unit_nodes/set_data_pipe_data_csv?uuid={node}"
        reply = await life.ask("POST", path, data=form)
    assert reply.status == 204, reply.content
    assert peak_mib() - before < 400
    async with asyncio.timeout(120):
        exported = await export_csv(life, node)
    lines = table(unzipped(exported.content)[1])
    assert len(lines) == count + 1
    assert [int(line[1]) for line in lines[1:]] == list(range(count))


async def test_a_config_an_import_and_a_purge_hold_on_the_real_tables(
    lived: tuple[Life, str],
) -> None:
    life, node = lived
    began = time.monotonic()
    assert (await set_config(life, node, records(3))).status == 204
    assert (await send_csv(life, node, ONE)).status == 204
    assert len((await rows_of(life, node))["NRecords"]) == 1
    await life.done("DELETE", f"/unit_nodes/delete_data_pipe_data/{node}")
    assert (await rows_of(life, node))["NRecords"] == []
    assert time.monotonic() - began < 30

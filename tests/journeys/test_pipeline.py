"""``pepeunit pipeline`` on real parts: mosquitto, PostgreSQL, and ClickHouse over HTTP."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from pepeunit.entrypoints.cli.forge import Forge
from tests.contracts.broker.world import executable
from tests.journeys.conftest import pepeunit
from tests.journeys.external import External, Pipelined, external_parts
from tests.journeys.faults import WIDE, Site

STOP_SECONDS_MAX = 10.0
ASK_AGAIN_SECONDS = 30.0


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[External]:
    executable("mosquitto")
    async with external_parts(tmp_path) as external:
        yield external


async def asked(process: Pipelined, path: str) -> tuple[int, str]:
    address = f"http://127.0.0.1:{process.http_port}/{path}"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status, await answer.text()


async def test_pipes_run_behind_mosquitto_through_a_takeover_a_kill_and_a_restart(
    parts: External, tmp_path: Path
) -> None:
    (tmp_path / "forge").mkdir()
    forge = Forge(tmp_path / "forge")
    await forge.start()
    settings = parts.settings("here.example.com")
    served = parts.serve(settings | WIDE | {"PU_GIT_HOST_ALLOWLIST": forge.authority})
    first, second = parts.pipeline(settings), parts.pipeline(settings)
    stranger = parts.pipeline(settings, "another")
    site = Site(served, random.Random(1))
    try:
        await asyncio.to_thread(first.start)
        await asyncio.to_thread(served.start)
        await asyncio.to_thread(second.launch)
        await asyncio.to_thread(stranger.start)  # up, and waits for ever
        await site.make_devices(forge, parts.mosquitto.port)
        await site.speak(2.0)
        await site.look("first")
        assert (await asked(first, "readyz"))[0] == 200
        assert (await asked(stranger, "readyz"))[0] == 503
        status, text = await asked(first, "pepeunit/metrics")
        told = dict(line.split(" ")[:2] for line in text.splitlines() if line[0] != "#")
        assert status == 200
        assert float(told["pepeunit_inbox_received_total"]) > 100
        assert float(told["pepeunit_pipe_running"]) == 1
        code, seconds = await asyncio.to_thread(first.end, signal.SIGTERM)
        assert code == 0, first.stderr()
        assert seconds < STOP_SECONDS_MAX
        await asyncio.to_thread(second.wait_until_up)
        await site.speak(2.0)
        await site.look("second")
        await asyncio.to_thread(second.end, signal.SIGKILL)
        await asyncio.to_thread(second.start)
        await site.speak(1.0)
        await site.look("second, killed and started again")
        await asyncio.to_thread(parts.mosquitto.stop)
        await asyncio.to_thread(parts.mosquitto.start)
        await site.speak(2.0)
        await site.last_look(with_sums=False)
        assert not site.broken
        assert site.acknowledged > 1_000
        await asyncio.to_thread(second.end, signal.SIGTERM)
        async with asyncio.timeout(ASK_AGAIN_SECONDS):
            while "another data directory" not in stranger.stderr():
                await asyncio.sleep(0.1)
        assert (await asked(stranger, "readyz"))[0] == 503
    finally:
        site.end()
        for process in (stranger, second, first, served):
            await asyncio.to_thread(process.end, signal.SIGTERM)
        await forge.stop()


def test_w49_everything_a_process_of_its_own_needs_is_named_at_once(tmp_path: Path) -> None:
    ended = pepeunit("pipeline", "--data-dir", str(tmp_path / "data"))
    assert ended.returncode == 2
    for name in ("PU_DATABASE_URL", "PU_CLICKHOUSE_URL", "PU_DOMAIN", "PU_SECRET_KEY"):
        assert f"{name}: is needed" in ended.stderr

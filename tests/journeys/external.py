"""External parts on loopback: PostgreSQL, ClickHouse's double, mosquitto, and the processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, frozen

from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from tests.doubles.clickhouse import ClickHouseServer
from tests.doubles.mosquitto import Mosquitto
from tests.journeys.conftest import Served, free_port

SECRET_KEY = "s" * 44


@define(eq=False)
class Pipelined(Served):
    """A running ``pepeunit pipeline``."""

    def argv(self) -> Sequence[str]:
        return ("pipeline", "--data-dir", str(self.data_dir))


@frozen
class External:
    """The three parts, up."""

    folder: Path
    postgres: EmbeddedPostgres
    clickhouse: ClickHouseServer
    mosquitto: Mosquitto

    def settings(self, domain: str) -> dict[str, str]:
        """What every process of the installation has in common."""
        return {
            "PU_DATABASE_URL": self.postgres.url,
            "PU_CLICKHOUSE_URL": self.clickhouse.url,
            "PU_DOMAIN": domain,
            "PU_SECRET_KEY": SECRET_KEY,
            "PU_MQTT_HOST": "127.0.0.1",
        }

    def serve(self, settings: dict[str, str]) -> Served:
        """The process that people reach; the pipes run elsewhere."""
        served = Served(self.folder / "serve", free_port(), free_port())
        served.settings = settings | {"PU_FF_PIPELINE_ENABLE": "false"}
        return served

    def pipeline(self, settings: dict[str, str], name: str = "pipeline") -> Pipelined:
        pipelined = Pipelined(self.folder / name, free_port(), self.mosquitto.port)
        pipelined.settings = settings | {
            "PU_MQTT_PORT": str(self.mosquitto.port),
            "PU_PIPELINE_HTTP_PORT": str(pipelined.http_port),
        }
        return pipelined


@asynccontextmanager
async def external_parts(folder: Path) -> AsyncIterator[External]:
    postgres = EmbeddedPostgres(folder / "postgres", "a password", folder / "postgres.log")
    clickhouse = ClickHouseServer(folder / "clickhouse", free_port())
    mosquitto = Mosquitto(folder / "mosquitto", free_port())
    await postgres.start()
    try:
        await asyncio.to_thread(clickhouse.start)
        await asyncio.to_thread(mosquitto.start)
        yield External(folder, postgres, clickhouse, mosquitto)
    finally:
        await asyncio.to_thread(mosquitto.stop)
        await asyncio.to_thread(clickhouse.kill)
        await postgres.stop()

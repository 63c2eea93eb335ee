"""Break what the platform stands on, one thing after the other, while devices speak at QoS 1.

``python tests/journeys/faults.py --kills 200 --seed 7 [kills clickhouse postgres ...]`` prints
the fault record in Markdown; it ends with 1 when something acknowledged is not stored or something
is stored twice. Every value carries its device and a counter, none is sent twice, and the witness
reads over REST as the devices' owner does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from pepeunit.adapters.embedded.postgres_processes import server_processes
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import rest_client
from tests.doubles.clickhouse import ClickHouseServer
from tests.doubles.mosquitto import Mosquitto
from tests.journeys.conftest import Served, free_port
from tests.journeys.external import Pipelined, external_parts
from tests.journeys.fault_witness import PAGE_ROWS, Owner, Watched

LOGIN, PASSWORD = "owner", "Faults4711"
DEVICES: Final = 3
COUNTERS_PER_SECOND: Final = 50.0
UP_SECONDS: Final = (0.1, 2.5)
"""How long a platform that is up may live before it is killed."""
START_SHARE: Final = 0.2
"""Of the kills, those that hit a platform that is starting."""
ANSWER_SECONDS_MAX: Final = 30.0
OUTAGE_SECONDS: Final = 60.0
ENDS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
"""A fast shutdown, an immediate one, and none; six within ten minutes end the platform as well."""
LONG_VALUE_BYTES: Final = 60_000
FULL_BYTES: Final = 127 * 2**20
FULL_BYTES_MAX: Final = 132 * 2**20
REFUSED_SECONDS: Final = 15.0
FULL_SECONDS_MAX: Final = 120.0
BROKER_RESTARTS: Final = 10
PIPELINE_KILLS: Final = 40
FAKETIME: Final = Path(f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1")
WIDE: Final = {
    "PU_MQTT_CLIENT_MAX_MESSAGES_RATE": "100000/s",
    "PU_MQTT_CLIENT_MAX_BYTES_RATE": "100MB/s",
    "PU_MQTT_MAX_CLIENT_CONNECTION_RATE": "1000/s",
    "PU_MAX_PAGINATION_SIZE": str(PAGE_ROWS),
    "PU_FF_FIRST_USER_ADMIN": "true",
    "PU_ARGON2_ROUNDS": "1",
}


@define(eq=False)
class Site:
    """A platform, its devices and their owner; ``told`` gathers lines of the record."""

    served: Served
    dice: random.Random
    watched: list[Watched] = field(factory=list)
    broken: list[str] = field(factory=list)
    told: list[str] = field(factory=list)
    _speaking: list[asyncio.Task[None]] = field(factory=list)

    def tell(self, line: str) -> None:
        self.told.append(line)

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Owner]:
        async with rest_client(self.served.api_url) as api:
            owner = Owner(api, LOGIN, PASSWORD)
            yield owner

    async def make_devices(self, forge: Forge, port: int, count: int = DEVICES) -> None:
        domain = self.served.settings["PU_DOMAIN"]
        async with self.owner() as owner:
            self.watched = await owner.make_devices(forge, count, port, domain, COUNTERS_PER_SECOND)
        self._speaking = [asyncio.create_task(one.device.run()) for one in self.watched]

    def be_silent(self, is_silent: bool = True) -> None:
        for one in self.watched:
            one.device.is_silent = is_silent

    @property
    def acknowledged(self) -> int:
        return sum(one.device.ledger.count for one in self.watched)

    async def speak(self, seconds: float) -> None:
        """Let the devices speak; a device that failed fails us."""
        done, _ = await asyncio.wait(self._speaking, timeout=seconds)
        for task in done:
            task.result()

    async def newest_values(self) -> set[str]:
        async with self.owner() as owner:
            await owner.sign_in()
            listed = [await owner.rows(one.nodes["last"], "last") for one in self.watched]
        return {str(row["state"]) for rows in listed for row in rows}

    async def look_again(self, when: str) -> None:
        """As :meth:`look`, once the platform answers again."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            try:
                return await self.look(when)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                await self.speak(0.5)

    async def look(self, when: str) -> None:
        async with self.owner() as owner:
            await owner.sign_in()
            for one in self.watched:
                self.broken += [f"{when}: {text}" for text in await owner.look(one)]

    def end(self) -> None:
        """Nobody speaks any more."""
        for one in self._speaking:
            one.cancel()

    async def last_look(self, *, with_sums: bool = True) -> None:
        """Everything, when nobody speaks any more; sums are there when their minute is over."""
        self.be_silent()
        await self.speak(1.0)
        self.end()
        rows = 0
        async with self.owner() as owner:
            await owner.sign_in()
            for one in self.watched:
                self.broken += [f"end: {text}" for text in await owner.look(one)]
                count, found = await owner.look_at_everything(one, with_sums=with_sums)
                rows += count
                self.broken += [f"end: {text}" for text in found]
        said = sum(sum(one.device.ledger.said.values()) for one in self.watched)
        self.tell(
            f"{said:,} values said, {self.acknowledged:,} acknowledged, {rows:,} rows of a day"
            f" read back, {sum(one.device.connections for one in self.watched)} connections"
        )


@asynccontextmanager
async def site(seed: int, **settings: str) -> AsyncIterator[Site]:
    """A platform of its own that is up, with devices that speak."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        (folder / "forge").mkdir()
        forge = Forge(folder / "forge")
        await forge.start()
        served = Served(folder / "data", free_port(), free_port())
        served.settings = {
            "PU_DOMAIN": f"127.0.0.1:{served.http_port}",
            "PU_MQTT_HOST": "127.0.0.1",
            "PU_GIT_HOST_ALLOWLIST": forge.authority,
            **WIDE,
            **settings,
        }
        one = Site(served, random.Random(seed))
        try:
            await asyncio.to_thread(served.start)
            await one.make_devices(forge, served.mqtt_port)
            yield one
        finally:
            one.end()
            await asyncio.to_thread(served.end, signal.SIGTERM)
            await forge.stop()


async def kills(seed: int, count: int) -> Site:
    """``kill -9`` of the platform at random moments, also while it starts."""
    async with site(seed) as one:
        starts: list[float] = []
        in_start = 0
        usual = 2.0
        for number in range(1, count + 1):
            if one.dice.random() < START_SHARE:
                in_start += 1
                moment = one.dice.uniform(0, usual)
                await asyncio.to_thread(one.served.end, signal.SIGKILL)
                await asyncio.to_thread(one.served.launch)
                await one.speak(moment)
            else:
                await one.speak(one.dice.uniform(*UP_SECONDS))
            await asyncio.to_thread(one.served.end, signal.SIGKILL)
            starts.append(await asyncio.to_thread(one.served.start))
            usual = statistics.median(starts)
            await one.look(f"kill {number}")
            note(
                f"kill {number}: up in {starts[-1]:.1f} s, {one.acknowledged:,} acknowledged"
                f"{'; ' + str(one.broken[-3:]) if one.broken else ''}"
            )
        one.tell(
            f"{count} kills, {in_start} of them followed by one during the start; up again in"
            f" {usual:.1f} s (median), {max(starts):.1f} s at most"
        )
        await one.last_look()
        return one


async def clickhouse(seed: int) -> Site:
    """ClickHouse does not answer for a minute; newest values go on being stored."""
    async with clickhouse_server() as server, site(seed, PU_CLICKHOUSE_URL=server.url) as one:
        await one.speak(3.0)
        await one.look("before")
        await asyncio.to_thread(server.suffer, unavailable=True)
        began, values = time.monotonic(), set[str]()
        while time.monotonic() < began + OUTAGE_SECONDS:
            await one.speak(1.0)
            values |= await one.newest_values()
        await asyncio.to_thread(server.suffer)
        if len(values) < OUTAGE_SECONDS / 2:
            one.broken.append(f"only {len(values)} newest values were stored during the outage")
        await one.look("after")
        one.tell(f"away for {OUTAGE_SECONDS:.0f} s, {len(values)} newest values seen meanwhile")
        await one.last_look()
        return one


async def postgres(seed: int) -> Site:
    """The embedded PostgreSQL is ended in each of its ways; ``serve`` starts it again."""
    async with site(seed) as one:
        for number, signum in enumerate(ENDS, 1):
            await one.speak(one.dice.uniform(1.0, 4.0))
            (pid,) = servers(one.served.data_dir / "postgres")
            os.kill(pid, signum)
            await one.speak(one.dice.uniform(0.5, 2.0))
            await one.look_again(f"restart {number}")
        one.tell(f"ended by {', '.join(signum.name for signum in ENDS)}")
        await one.last_look()
        return one


async def disk(seed: int) -> Site:
    """The journal is full: ClickHouse is away, the spool has 1 MiB and the journal 128."""
    full = {"PU_JOURNAL_DISK_MAX": "128", "PU_SPOOL_DISK_MAX": "1"}
    async with (
        clickhouse_server() as server,
        site(seed, PU_CLICKHOUSE_URL=server.url, **full) as one,
    ):
        await one.speak(2.0)
        await asyncio.to_thread(server.suffer, unavailable=True)
        for watched in one.watched:
            watched.device.padding = LONG_VALUE_BYTES
        began = time.monotonic()
        while journal_bytes(one) < FULL_BYTES and time.monotonic() < began + FULL_SECONDS_MAX:
            await one.speak(0.5)
        filled = time.monotonic() - began
        known = one.acknowledged
        connections = sum(watched.device.connections for watched in one.watched)
        await one.speak(REFUSED_SECONDS)
        cut_off = sum(watched.device.connections for watched in one.watched) - connections
        size = journal_bytes(one)
        if size < FULL_BYTES or not cut_off:
            one.broken.append("the journal was never full")
        if size > FULL_BYTES_MAX:
            one.broken.append("the journal grew over its cap")
        one.tell(
            f"{size / 2**20:.0f} MiB of journal after {filled:.0f} s, then {REFUSED_SECONDS:.0f} s"
            f" in which senders were cut off {cut_off} times and {one.acknowledged - known} values"
            " acknowledged"
        )
        known = one.acknowledged
        for watched in one.watched:
            watched.device.padding = 0
        await asyncio.to_thread(server.suffer)
        began = time.monotonic()
        while one.acknowledged == known and time.monotonic() < began + FULL_SECONDS_MAX:
            await one.speak(0.2)
        one.tell(f"acknowledged again {time.monotonic() - began:.0f} s after ClickHouse was back")
        await one.look("after")
        await one.last_look()
        return one


async def clock(seed: int) -> Site:
    """The clock is stepped two hours ahead, back one, and back again (libfaketime)."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        offset = Path(name) / "offset"
        offset.write_text("+0\n")
        faked = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
        async with site(seed, **faked) as one:
            await one.speak(3.0)
            await one.look("before")
            for watched in one.watched:
                watched.is_clock_steady = False
            for hours in (2, 1, 0):
                offset.write_text(f"+{hours * 3600}\n")
                await one.speak(one.dice.uniform(2.0, 4.0))
                await one.look(f"{hours} h ahead")
                await one.speak(1.0)
            one.tell("the platform's clock went +2 h, -1 h, -1 h")
            await one.last_look()
            return one


async def broker(seed: int) -> Site:
    """mosquitto is restarted cleanly below ``pepeunit pipeline``."""
    async with behind_mosquitto(seed) as (one, mosquitto, _):
        for number in range(1, BROKER_RESTARTS + 1):
            await one.speak(one.dice.uniform(0.5, 3.0))
            await asyncio.to_thread(mosquitto.stop)
            await one.speak(one.dice.uniform(0.0, 1.0))
            await asyncio.to_thread(mosquitto.start)
            await one.speak(1.0)
            await one.look(f"restart {number}")
        one.tell(f"{BROKER_RESTARTS} restarts")
        await one.last_look()
        return one


async def pipeline(seed: int) -> Site:
    """``kill -9`` of ``pepeunit pipeline`` behind mosquitto, at random moments."""
    async with behind_mosquitto(seed) as (one, _, pipelined):
        for number in range(1, PIPELINE_KILLS + 1):
            await one.speak(one.dice.uniform(0.5, 3.0))
            await asyncio.to_thread(pipelined.end, signal.SIGKILL)
            await one.speak(one.dice.uniform(0.0, 1.0))
            await asyncio.to_thread(pipelined.start)
            await one.look(f"kill {number}")
        one.tell(f"{PIPELINE_KILLS} kills")
        await one.last_look()
        return one


@asynccontextmanager
async def behind_mosquitto(seed: int) -> AsyncIterator[tuple[Site, Mosquitto, Pipelined]]:
    """Devices that speak to mosquitto, and who reads from it."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        async with external_parts(folder) as parts, forge_in(folder) as forge:
            settings = parts.settings("here.example.com")
            served = parts.serve(settings | WIDE | {"PU_GIT_HOST_ALLOWLIST": forge.authority})
            pipelined = parts.pipeline(settings)
            one = Site(served, random.Random(seed))
            try:
                await asyncio.to_thread(pipelined.start)
                await asyncio.to_thread(served.start)
                await one.make_devices(forge, parts.mosquitto.port)
                yield one, parts.mosquitto, pipelined
            finally:
                one.end()
                await asyncio.to_thread(pipelined.end, signal.SIGTERM)
                await asyncio.to_thread(served.end, signal.SIGTERM)


def journal_bytes(one: Site) -> int:
    size = 0
    for file in (one.served.data_dir / "journal").iterdir():
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


@asynccontextmanager
async def forge_in(folder: Path) -> AsyncIterator[Forge]:
    (folder / "forge").mkdir()
    forge = Forge(folder / "forge")
    await forge.start()
    try:
        yield forge
    finally:
        await forge.stop()


@asynccontextmanager
async def clickhouse_server() -> AsyncIterator[ClickHouseServer]:
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        server = ClickHouseServer(Path(name) / "clickhouse", free_port())
        await asyncio.to_thread(server.start)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.kill)


def servers(cluster: Path) -> list[int]:
    """The processes that were started as a server of the cluster."""
    return [pid for pid in server_processes(cluster) if b"-D" in arguments_of(pid)]


def arguments_of(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def note(line: str) -> None:
    """To be watched: a kill takes seconds, the record is written at the end."""
    print(line, file=sys.stderr, flush=True)


SCENARIOS: Final[Mapping[str, Callable[[int], Awaitable[Site]]]] = {
    "broker": broker,
    "pipeline": pipeline,
    "clickhouse": clickhouse,
    "postgres": postgres,
    "disk": disk,
    "clock": clock,
}


async def faults(names: list[str], count: int, seed: int) -> int:
    """The exit code; the record goes to stdout as it grows."""
    print(f"Seed {seed}, {platform.machine()}, {os.cpu_count()} cores.\n", flush=True)
    broken = 0
    for name in names:
        if name == "clock" and not FAKETIME.exists():
            print("- **clock**: not run, libfaketime is not installed.")
            continue
        began = time.monotonic()
        work = kills(seed, count) if name == "kills" else SCENARIOS[name](seed)
        one = await work
        print(f"- **{name}** ({time.monotonic() - began:.0f} s): " + "; ".join(one.told) + ".")
        print("  " + ("Nothing lost, nothing doubled." if not one.broken else "BROKEN:"))
        for text in one.broken:
            print(f"  - {text}")
        sys.stdout.flush()
        broken += len(one.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    everything = ("kills", *SCENARIOS)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", choices=(*everything, []), default=[])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(faults(chosen.which or list(everything), chosen.kills, chosen.seed)))

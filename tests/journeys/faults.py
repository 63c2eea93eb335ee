"""Break what the platform stands on, one thing after the other, while devices speak at QoS 1.

``python tests/journeys/faults.py --kills 200 --seed 7 [kills clickhouse postgres ...]`` prints
the fault record in Markdown; it ends with 1 when something acknowledged is not stored or something
is stored twice. Every value carries its device and a counter, none is sent twice, and the witness
reads over REST as the devices' owner does.
"""

from __future__ import annotations

import argparse
import asyncio
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

from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import rest_client
from tests.journeys.conftest import Served, free_port
from tests.journeys.fault_witness import PAGE_ROWS, Owner, Watched

LOGIN, PASSWORD = "owner", "Faults4711"
DEVICES: Final = 3
COUNTERS_PER_SECOND: Final = 50.0
UP_SECONDS: Final = (0.1, 2.5)
"""How long a platform that is up may live before it is killed."""
START_SHARE: Final = 0.2
"""Of the kills, those that hit a platform that is starting."""
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


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


SCENARIOS: Final[Mapping[str, Callable[[int], Awaitable[Site]]]] = {}


async def faults(names: list[str], count: int, seed: int) -> int:
    """The exit code; the record goes to stdout as it grows."""
    print(f"Seed {seed}, {platform.machine()}, {os.cpu_count()} cores.\n", flush=True)
    broken = 0
    for name in names:
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

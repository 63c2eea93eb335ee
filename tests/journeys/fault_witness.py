"""Looks at a device's stored values as its owner does, over REST, and names what is wrong."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
import zipfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
from attrs import define, field

from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.cli.demo_journey import within
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import RestClient
from tests.journeys.fault_devices import KINDS, Device

RING: Final = 1024
DAY: Final = 86_400
MINUTE: Final = 60
SEEN_SECONDS_MAX: Final = 60.0
"""A store that was away is asked every 30 s at first."""
POLL_SECONDS: Final = 0.2
LATE: Final = timedelta(seconds=30)
PAGE_ROWS: Final = 1_000_000
ROWS_AT_ONCE: Final = 100
POLICIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "window": {"policy_type": "TimeWindow", "time_window_size": DAY},
    "ring": {"policy_type": "NRecords", "n_records_count": RING},
    "last": {"policy_type": "LastValue"},
    "sum": {
        "policy_type": "Aggregation",
        "time_window_size": MINUTE,
        "aggregation_functions": "Sum",
    },
}
BASE_INPUTS: Final = ("update", "env_update", "schema_update", "log_sync")
PROGRAM: Final = {
    "schema_example.json": json.dumps(
        {
            "input_base_topic": [f"{word}/pepeunit" for word in BASE_INPUTS],
            "output_base_topic": ["state/pepeunit", "log/pepeunit"],
            "input_topic": [],
            "output_topic": [f"{kind}/pepeunit" for kind in KINDS],
        }
    ).encode(),
    "env_example.json": json.dumps({"PU_DOMAIN": ""}).encode(),
    "main.py": b"",
}


def pipe_of(kind: str) -> bytes:
    """The config of a node, JSON being YAML too; nothing is filtered."""
    value = "Number" if kind == "sum" else "Text"
    return json.dumps(
        {
            "active_period": {"type": "Permanent"},
            "filters": {"type_input_value": value, "max_rate": 0, "max_size": 0},
            "processing_policy": POLICIES[kind],
        }
    ).encode()


@define(eq=False)
class Watched:
    """One device and its nodes' uuids by kind; ``since`` is the last counter looked at."""

    device: Device
    nodes: dict[str, str]
    since: int = 0
    is_clock_steady: bool = True
    """Else rows, which are ordered by their time, are not in the order of arrival."""
    looked_at: datetime = field(factory=lambda: datetime.now(UTC))


@define(eq=False)
class Owner:
    """The person whose devices they are."""

    api: RestClient
    login: str
    password: str = field(repr=False)

    async def sign_in(self) -> None:
        self.api.token = ""
        account = {"credentials": self.login, "password": self.password}
        self.api.token = (await self.api.call("POST", "users/auth", account))["token"]

    async def make_devices(
        self, forge: Forge, count: int, port: int, domain: str, rate: float
    ) -> list[Watched]:
        repo = await self.make_repo(forge, "faults", PROGRAM)
        return [
            await self._make_device(repo, f"unit{number}", port, domain, rate)
            for number in range(count)
        ]

    async def make_repo(self, forge: Forge, name: str, program: Mapping[str, bytes]) -> str:
        """The uuid of a new person's repo of that program."""
        await self.api.call("POST", "users", {"login": self.login, "password": self.password})
        await self.sign_in()
        await forge.create(f"{name}/program")
        await forge.commit(f"{name}/program", program, "One", tag="v1")
        url = forge.url(f"{name}/program")
        asked = {"platform": "Gitlab", "repository_url": url, "is_public_repository": True}
        registry = (await self.api.call("POST", "repository_registry", asked))["uuid"]

        async def mirrored() -> bool:
            row = await self.api.call("GET", f"repository_registry/{registry}")
            return bool(row["branches"])

        await within(SEEN_SECONDS_MAX, "the mirror is not there", mirrored)
        asked = {"repository_registry_uuid": registry, "default_branch": "main", "name": name}
        asked |= {"visibility_level": "Public", "is_compilable_repo": False}
        return str((await self.api.call("POST", "repos", asked))["uuid"])

    async def make_unit(self, repo: str, name: str) -> tuple[Mapping[str, str], dict[str, str]]:
        """Its env, and the uuids of its outputs by the first level of their topics."""
        asked = {"repo_uuid": repo, "visibility_level": "Public", "name": name}
        unit = await self.api.call("POST", "units", asked | {"is_auto_update_from_repo_unit": True})
        env = await self.api.call("GET", f"units/env/{unit['uuid']}")
        listed = await self.api.call("GET", "unit_nodes", params={"unit_uuid": unit["uuid"]})
        nodes = {row["topic_name"].partition("/")[0]: row["uuid"] for row in listed["unit_nodes"]}
        return env, nodes

    async def _make_device(
        self, repo: str, name: str, port: int, domain: str, rate: float
    ) -> Watched:
        env, nodes = await self.make_unit(repo, name)
        for kind in KINDS:
            await self.switch(nodes[kind], is_active=True)
            await self.set_pipe(nodes[kind], pipe_of(kind))
        topics = {kind: f"{domain}/{nodes[kind]}/pepeunit".encode() for kind in KINDS}
        return Watched(Device(name, port, env["PU_AUTH_TOKEN"], topics, rate), nodes)

    async def switch(self, node: str, *, is_active: bool) -> None:
        await self.api.call("PATCH", f"unit_nodes/{node}", {"is_data_pipe_active": is_active})

    async def set_pipe(self, node: str, config: bytes) -> None:
        form = aiohttp.FormData()
        form.add_field("data", config, filename="pipe.yaml")
        path = f"unit_nodes/set_data_pipe_config?uuid={node}"
        async with self.api._session.post(
            f"{self.api.api_url}/{path}", data=form, headers={"x-auth-token": self.api.token}
        ) as answer:
            if answer.status >= 400:
                raise Unavailable("platform", f"{path}: {answer.status} {await answer.text()}")

    # looking

    async def rows(self, node: str, kind: str, **asked: Any) -> list[dict[str, Any]]:
        return await self.kept(node, POLICIES[kind]["policy_type"], limit=PAGE_ROWS, **asked)

    async def kept(self, node: str, policy: str, **asked: Any) -> list[dict[str, Any]]:
        """What a policy stored, oldest first."""
        params = {"uuid": node, "type": policy, "order_by_create_date": "asc"}
        params |= {"limit": ROWS_AT_ONCE, "offset": 0} | asked
        answer = await self.api.call("GET", "unit_nodes/get_data_pipe_data/", params=params)
        return list(answer["pipe_data"])

    async def look(self, watched: Watched) -> list[str]:
        """What does not hold of what was said since the last look."""
        acknowledged = {
            kind: {c for c in watched.device.ledger.acknowledged[kind] if c > watched.since}
            for kind in KINDS
        }
        newest = watched.device.ledger.said["window"]
        stored = len(watched.device.ledger.acknowledged["ring"])
        began = datetime.now(UTC)
        found = [
            *await self._look_at_window(watched, acknowledged["window"]),
            *await self._look_at_ring(watched, acknowledged["ring"], stored),
            *await self._look_at_last(watched, acknowledged["last"]),
        ]
        watched.since, watched.looked_at = newest, began
        return found

    async def _look_at_window(self, watched: Watched, wanted: set[int]) -> list[str]:
        start = (watched.looked_at - LATE).isoformat()
        rows = await self._until_seen(watched, "window", wanted, start_create_datetime=start)
        return _wrong(watched, "window", rows, wanted)

    async def _look_at_ring(self, watched: Watched, wanted: set[int], stored: int) -> list[str]:
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while True:
            rows = await self.rows(watched.nodes["ring"], "ring")
            seen = _counters(rows)
            oldest = min(seen, default=0)
            mine = {c for c in wanted if c >= oldest} if len(seen) >= RING else wanted
            if (
                mine <= set(seen) and len(seen) >= min(RING, stored)
            ) or time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        found = _wrong(watched, "ring", rows, mine)
        if len(seen) > RING:
            found.append(f"{watched.device.name} ring: {len(seen)} rows")
        if seen != sorted(seen) and watched.is_clock_steady:
            found.append(f"{watched.device.name} ring: not in the order of arrival")
        if len(seen) < min(RING, stored):
            found.append(f"{watched.device.name} ring: only {len(seen)} of {stored} rows")
        return found

    async def _look_at_last(self, watched: Watched, wanted: set[int]) -> list[str]:
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while True:
            rows = await self.rows(watched.nodes["last"], "last")
            value = max(_counters(rows), default=0)
            if value >= max(wanted, default=0) or time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        said = watched.device.ledger.said["last"]
        if max(wanted, default=0) <= value <= said:
            return []
        return [f"{watched.device.name} last: {value}, acknowledged {max(wanted)}, said {said}"]

    async def _until_seen(
        self, watched: Watched, kind: str, wanted: set[int], **asked: Any
    ) -> list[dict[str, Any]]:
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while True:
            rows = await self.rows(watched.nodes[kind], kind, **asked)
            if wanted <= set(_counters(rows)) or time.monotonic() > deadline:
                return rows
            await asyncio.sleep(POLL_SECONDS)

    # the last look

    async def look_at_everything(
        self, watched: Watched, *, with_sums: bool = True
    ) -> tuple[int, list[str]]:
        """Rows of the day, and what is wrong in them and in the sums of every minute.

        A device speaks to ``window`` before ``sum``: when it was cut off, at most the newest
        value of that connection can be in one and not in the other.
        """
        ledger = watched.device.ledger
        rows = await self._exported(watched.nodes["window"])
        found = _wrong(watched, "window", rows, ledger.acknowledged["window"])
        if with_sums:
            found += await self._look_at_sums(watched, rows)
        return len(rows), found

    async def _look_at_sums(self, watched: Watched, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        ledger, found = watched.device.ledger, list[str]()
        by_minute: dict[int, list[int]] = {}
        for row, counter in zip(rows, _counters(rows), strict=True):
            moment = datetime.fromisoformat(row["create_datetime"]).replace(tzinfo=UTC)
            by_minute.setdefault(int(moment.timestamp()) // MINUTE, []).append(counter)
        now = int(time.time()) // MINUTE  # a clock that stepped made minutes that are yet to come
        by_minute = {minute: some for minute, some in by_minute.items() if minute <= now}
        last = max(by_minute, default=0)

        async def is_closed() -> bool:
            return time.time() > (last + 1) * MINUTE + 2

        await within(2.0 * MINUTE, "the last minute does not end", is_closed)
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while True:
            sums: Counter[int] = Counter()
            listed = await self.rows(watched.nodes["sum"], "sum")
            for row in listed:
                start = datetime.fromisoformat(row["start_window_datetime"]).replace(tzinfo=UTC)
                sums[int(start.timestamp()) // MINUTE] += round(row["state"])
            if last in sums or time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        sums = Counter({minute: total for minute, total in sums.items() if minute <= last})
        if len({row["start_window_datetime"] for row in listed}) != len(listed):
            found.append(f"{watched.device.name} sum: a minute is there twice")
        cut_off = _cut_off(sorted(c for some in by_minute.values() for c in some), ledger.breaks)
        for minutes in _grouped(sorted({*by_minute, *sums}), ledger.blurred):
            counters = [c for minute in minutes for c in by_minute.get(minute, [])]
            unsure = set(counters) & cut_off - ledger.acknowledged["sum"]
            lacking = sum(counters) - sum(sums[minute] for minute in minutes)
            if lacking not in _sums_of(unsure):
                found.append(
                    f"{watched.device.name} sum: minutes {minutes} lack {lacking}; only "
                    f"{sorted(unsure)} may be missing"
                )
        return found

    async def _exported(self, node: str) -> list[dict[str, Any]]:
        content = await self.api.call("GET", f"unit_nodes/get_data_pipe_data_csv/{node}")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            text = archive.read(archive.namelist()[0]).decode()
        return list(csv.DictReader(io.StringIO(text)))


def _counters(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    return [int(str(row["state"]).split(":")[1]) for row in rows if row["state"] is not None]


def _wrong(
    watched: Watched, kind: str, rows: Sequence[Mapping[str, Any]], wanted: set[int]
) -> list[str]:
    counters = _counters(rows)
    name, said = f"{watched.device.name} {kind}", watched.device.ledger.said[kind]
    lost = sorted(wanted - set(counters))
    doubled = sorted(c for c, count in Counter(counters).items() if count > 1)
    foreign = sorted(c for c in set(counters) if c > said)
    return [
        f"{name}: {len(some)} {word}, {some[:5]}"
        for some, word in ((lost, "lost"), (doubled, "doubled"), (foreign, "never said"))
        if some
    ]


def _cut_off(stored: Sequence[int], breaks: Sequence[int]) -> set[int]:
    """The newest stored counter of every connection."""
    return {stored[at - 1] for at in (bisect_right(stored, one) for one in breaks) if at}


def _grouped(minutes: Sequence[int], blurred: set[int]) -> list[list[int]]:
    """Minutes whose border is blurred stand together."""
    groups: list[list[int]] = []
    for minute in minutes:
        if groups and minute in blurred:
            groups[-1].append(minute)
        else:
            groups.append([minute])
    return groups


def _sums_of(numbers: Iterable[int]) -> set[int]:
    sums = {0}
    for number in numbers:
        sums |= {one + number for one in sums}
    return sums

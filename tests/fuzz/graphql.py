"""Generated documents at every GraphQL operation: no 5xx, no error without its status in front.

``python -m tests.fuzz.graphql --cases 100 --seed 7`` asks the whole door on memory ports, each
document as a person and as nobody; it ends with 1 on a failure. The documents are made by what
Schemathesis makes them with, one operation after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
from collections import Counter

import hypothesis
from graphql import build_schema
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from pepeunit.entrypoints.graphql.binder import read_sdl
from tests.doors.graphql.generating import operations
from tests.doors.graphql.platform import Gql, served
from tests.doubles.rows import a_node, a_registry, a_repo, a_unit, a_user

PREFIX = re.compile(r"([45]\d\d): \d+: [^:]+: .")
STORES_DOWN = 503
ABSENT = "00000000-0000-0000-0000-000000000000"


async def things(gql: Gql) -> list[str]:
    """Uuids of what exists."""
    creator = a_user()
    registry = a_registry(creator)
    repo = a_repo(registry, creator)
    unit = a_unit(repo, creator)
    node = a_node(unit)
    async with gql.database.begin() as tx:
        await tx.users.put(creator)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        await tx.units.put(unit)
        await tx.nodes.put([node])
    return [str(one.uuid) for one in (creator, registry, repo, unit, node)]


def documents(name: str, known: list[str], cases: int, seed: int) -> list[str]:
    texts = lambda *given: st.sampled_from(given).map(nodes.String)  # noqa: E731
    scalars = {
        "UUID": texts(*known, ABSENT, "x"),
        "DateTime": texts("2026-01-01", "2026-01-01T00:00:00+03:00", "x"),
        "Upload": texts("x"),
    }
    found: list[str] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(from_schema(read_sdl(), fields=[name], custom_scalars=scalars))
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


async def fuzz(cases: int, seed: int) -> int:
    met: Counter[str] = Counter()
    wrong: list[str] = []
    async with served(PU_LOGIN_TRIES_MAX="1000000") as gql:
        await gql.sign_up("alice")
        known = await things(gql)
        untouched = gql.database._world
        for _, name in operations(build_schema(read_sdl())):
            for text in documents(name, known, cases, seed):
                for who in ("alice", "none"):
                    reply = await gql.send(who=who, json={"query": text})
                    gql.database._world = untouched
                    if reply.status != 200:
                        wrong.append(f"{reply.status} {reply.content!r} to {text}")
                        continue
                    for error in reply.json.get("errors", ()):
                        message, code = error["message"], error["extensions"]["code"]
                        met[message[:40]] += 1
                        if not PREFIX.match(message) or (code >= 500 and code != STORES_DOWN):
                            wrong.append(f"{message} to {text}")
    lines = [f"{count:7} {message}" for message, count in met.most_common(20)]
    sys.stdout.write("\n".join([*lines, f"seed {seed}, {len(wrong)} wrong", *wrong[:20], ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="an operation")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(fuzz(chosen.cases, chosen.seed)))

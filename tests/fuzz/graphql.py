"""Generated documents at every GraphQL operation: no 5xx, no error without its status in front.

``python -m tests.fuzz.graphql --cases 100 --seed 7`` asks the whole door on memory ports, each
document as a person and as nobody; it ends with 1 on a failure. The documents are made by what
Schemathesis makes them with, one operation after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from collections import Counter
from typing import Any

import hypothesis
from graphql import build_schema
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from pepeunit.entrypoints.graphql.binder import read_sdl
from tests.doors.graphql.generating import operations
from tests.doors.graphql.platform import Gql, form_of, served
from tests.doors.http.piping import records
from tests.doubles.rows import a_node, a_registry, a_repo, a_unit

PREFIX = re.compile(r"([45]\d\d): \d+: [^:]+: .")
STORES_DOWN = 503
UPLOAD = "a file"
PIPE = json.dumps(records(9)).encode()
FILES = (
    PIPE,
    b"",
    b"x",
    bytes(range(256)),
    b"state,create_datetime\n1,2026-11-23 08:00:00\n",
    b"state,create_datetime\n\xff,9999-99-99\n",
    b"name,visibility_level,repo_uuid\nlamp,Public,x\n",
    b"a: &a [*a]",
    b"[general]\nname = 1\n",
    b'{"active_period": {"type": "Permanent"}, "filters": {"max_rate": -1}}',
    b'{"units": [{"name": null}]}',
    b"[" * 5000,
)
ABSENT = "00000000-0000-0000-0000-000000000000"


async def things(gql: Gql) -> list[str]:
    """Uuids of what exists, all of it alice's; the node has a pipe."""
    async with gql.database.begin() as tx:
        creator = await tx.users.by_login("alice")
        assert creator is not None
        registry = a_registry(creator)
        repo = a_repo(registry, creator)
        unit = a_unit(repo, creator)
        node = a_node(unit, is_data_pipe_active=True)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        await tx.units.put(unit)
        await tx.nodes.put([node])
    query = """mutation($u: UUID!, $file: Upload!) {
        setDataPipeConfig(uuid: $u, file: $file) { isNone } }"""
    answer = await gql.ask(query, "alice", files={"file": PIPE}, u=str(node.uuid))
    assert "errors" not in answer, answer
    return [str(one.uuid) for one in (creator, registry, repo, unit, node)]


def documents(name: str, known: list[str], cases: int, seed: int) -> list[str]:
    texts = lambda *given: st.sampled_from(given).map(nodes.String)  # noqa: E731
    scalars = {
        "UUID": texts(*known, ABSENT, "x"),
        "DateTime": texts("2026-01-01", "2026-01-01T00:00:00+03:00", "x"),
        "Upload": texts(UPLOAD),
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


def sent(text: str, dice: random.Random) -> dict[str, Any]:
    """Files go up as a variable: nothing of a document can be one."""
    literal = f'"{UPLOAD}"'
    if literal not in text:
        return {"json": {"query": text}}
    kind = "mutation" if text.lstrip().startswith("mutation") else "query"
    text = text[text.index("{") :].replace(literal, "$file")
    document = {"query": f"{kind}($file: Upload!) {text}", "variables": {}}
    return {"data": form_of(document, {"file": dice.choice(FILES)})}


async def fuzz(cases: int, seed: int) -> int:
    met: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    dice = random.Random(seed)
    async with served(PU_LOGIN_TRIES_MAX="1000000") as gql:
        await gql.sign_up("alice")
        known = await things(gql)
        untouched = gql.database._world
        for _, name in operations(build_schema(read_sdl())):
            for text in documents(name, known, cases, seed):
                for who in ("alice", "none"):
                    reply = await gql.send(who=who, **sent(text, dice))
                    gql.database._world = untouched
                    if reply.status != 200:
                        wrong.append(f"{reply.status} {reply.content!r} to {text}")
                        continue
                    errors = reply.json.get("errors", ())
                    outcomes["refused" if errors else "done"] += 1
                    for error in errors:
                        message, code = error["message"], error["extensions"]["code"]
                        met[message[:40]] += 1
                        if not PREFIX.match(message) or (code >= 500 and code != STORES_DOWN):
                            wrong.append(f"{message} to {text}")
    lines = [f"{count:7} {message}" for message, count in met.most_common(20)]
    lines.append(f"seed {seed}, {dict(outcomes)}, {len(wrong)} wrong")
    sys.stdout.write("\n".join([*lines, *wrong[:20], ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="an operation")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(fuzz(chosen.cases, chosen.seed)))

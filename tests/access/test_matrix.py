"""Every cell of the access matrix, on the real doors over memory ports (issue: access proven)."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from yarl import URL

from pepeunit.entrypoints.http.absent import ABSENT
from tests.access.cells import ANY_ROW, Call, Cell, TopicForm, read_matrix
from tests.access.mqtt_client import FAILURES_FROM, MqttClient
from tests.access.world import World, the_world
from tests.doors.http.serving import Reply

MATRIX = read_matrix()
PLACEHOLDER = re.compile(r"\{(\w+)\}")
NOT_FOUND = re.compile(r"^422: 2: Validation Error: \w+ not found$")
NOT_ABOUT_A_THING = {"me", "friend", "permitted", "owner", "own_input", "own_output"}
OUTSIDE_THE_MATRIX = {("POST", "/units/auth")}
"""Asked by the topics' cells."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with the_world() as world:
        yield world


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints, whatever pytest captures."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text} ")

    return write


def filled(value: Any, names: dict[str, str]) -> Any:
    """The text, or the values of the mapping, with each ``{name}`` put in."""
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    return PLACEHOLDER.sub(lambda found: names.get(found[1], found[0]), value)


async def ask(world: World, call: Call, cell: Cell, names: dict[str, str]) -> Reply:
    options = {} if call.body is None else {"json": filled(call.body, names)}
    path = filled(call.path, names)
    return await world.ask(call.method, path, world.token(cell.column, cell.row), **options)


def found_in(document: Any, path: str) -> Any:
    """What the dotted path leads to; through lists, everything it leads to."""
    for step in path.split("."):
        if isinstance(document, list):
            document = [one for inner in document for one in inner[step]]
        else:
            document = document[step] if document else None
    return document


def verdict_of(call: Call, reply: Reply, names: dict[str, str]) -> str:
    """The letter of what was answered; a whole line where the answer is outside the contract."""
    if reply.status in (200, 201, 204):
        if call.shows:
            thing, _, place = call.shows.partition(" in ")
            listed = found_in(reply.json, place)
            return "y" if names[thing] in {row["uuid"] for row in listed} else "0"
        if call.field:
            return "y" if found_in(reply.json, call.field) else "0"
        return "y"
    detail = reply.json["detail"]
    if reply.status == 403 and detail.startswith("403: 1: No Access: "):
        return "-"
    if reply.status == 422 and isinstance(detail, str):
        return "0" if NOT_FOUND.match(detail) else detail.split(": ")[1]
    return f"{reply.status} {detail}"


async def test_w1_every_cell_of_every_rest_operation(
    world: World, say: Callable[[str], None]
) -> None:
    wrong, counted = [], Counter[str]()
    untouched = world.database._world
    for call in MATRIX.calls:
        if call.is_pending:
            continue
        for cell in call.cells:
            names = world.names(cell.column, cell.row)
            reply = await ask(world, call, cell, names)
            verdict = verdict_of(call, reply, names)
            await world.settle()
            world.database._world = untouched
            counted[cell.verdict] += 1
            if verdict != cell.verdict:
                wrong.append(f"{cell}: {verdict}, not {cell.verdict} · {cell.because}")
            elif verdict == "0" and reply.status == 422:
                absent = names | {
                    name: names["absent"]
                    for name in world.things[cell.row]
                    if name not in NOT_ABOUT_A_THING
                }
                other = await ask(world, call, cell, absent)
                if (other.status, other.content) != (reply.status, reply.content):
                    wrong.append(f"{cell}: tells an unseen thing from an absent one (rulings 1)")
    built = sum(not call.is_pending for call in MATRIX.calls)
    say(f"{counted.total()} cells of {built} REST operations, by verdict {dict(counted)}")
    say(f"{len(MATRIX.pending)} cells of {len(MATRIX.calls) - built} operations are pending")
    assert not wrong, f"{len(wrong)} wrong cells\n" + "\n".join(wrong)


def asked_of(door: str) -> Iterator[tuple[TopicForm, str, Cell]]:
    for form in MATRIX.topics:
        if door in form.doors:
            for action, cells in form.cells.items():
                for cell in cells:
                    yield form, action, cell


def topic_of(world: World, form: TopicForm, cell: Cell) -> str:
    names = world.names(cell.column, cell.row)
    topic: str = filled(form.topic, names | {"TEMP": names.get("temp", "").upper()})
    return topic


async def test_w5_every_cell_of_every_topic_on_our_endpoint(
    world: World, say: Callable[[str], None]
) -> None:
    wrong, count = [], 0
    for form in MATRIX.connects:
        for cell in form.cells:
            names = world.names(cell.column, cell.row)
            token = world.token(cell.column, cell.row) or ""
            async with MqttClient(world.port, token, filled(form.client_id, names)) as client:
                verdict = "-" if client.code else "y"
            count += 1
            if verdict != cell.verdict:
                wrong.append(f"{cell}: {verdict}, not {cell.verdict}")
    async with AsyncExitStack() as stack:
        clients: dict[str, MqttClient] = {}
        for form, action, cell in asked_of("endpoint"):
            token = world.token(cell.column, cell.row) or ""
            if token not in clients:
                client = MqttClient(world.port, token)
                clients[token] = await stack.enter_async_context(client)
            verdict = await judged(clients[token], action, topic_of(world, form, cell))
            count += 1
            if verdict != cell.verdict:
                wrong.append(f"{cell}: {verdict}, not {cell.verdict} · {cell.because}")
    say(f"{count} MQTT cells on our endpoint")
    assert not wrong, f"{len(wrong)} wrong cells\n" + "\n".join(wrong)


async def judged(client: MqttClient, action: str, topic: str) -> str:
    """Who was refused at CONNECT does nothing at all."""
    if client.code:
        return "-"
    if action == "publish":
        return "-" if await client.publish(topic) >= FAILURES_FROM else "y"
    if await client.subscribe(topic) >= FAILURES_FROM:
        return "-"
    await client.unsubscribe(topic)
    return "y"


async def test_w14_every_cell_of_every_topic_on_the_hook_of_another_broker(
    world: World, say: Callable[[str], None]
) -> None:
    wrong, count = [], 0
    for form, action, cell in asked_of("hook"):
        body = {
            "token": world.token(cell.column, cell.row) or "",
            "topic": topic_of(world, form, cell),
            "action": action,
        }
        reply = await world.ask("POST", "/units/auth", None, json=body)
        verdict = {"allow": "y", "deny": "-"}[reply.json["result"]]
        count += 1
        if verdict != cell.verdict:
            wrong.append(f"{cell}: {verdict}, not {cell.verdict} · {cell.because}")
    say(f"{count} MQTT cells on the hook of another broker")
    assert not wrong, f"{len(wrong)} wrong cells\n" + "\n".join(wrong)


async def test_what_is_pending_is_refused_as_a_feature_that_is_off(world: World) -> None:
    for call in MATRIX.calls:
        if call.is_pending:
            reply = await world.ask(
                call.method, filled(call.path, world.names("o", ANY_ROW)), world.signed["o"]
            )
            assert (reply.status, reply.detail[:7]) == (405, "405: 15"), call.name


async def test_every_operation_that_exists_is_in_the_matrix(world: World) -> None:
    reply = await world.ask("GET", "/openapi.json", None)
    served = {
        (method.upper(), path.removeprefix("/pepeunit/api/v1"))
        for path, operations in reply.json["paths"].items()
        for method in operations
    }
    routes = {path: re.sub(r"\{\w+\}", "{}", path) for _, path in served}
    known = {
        (call.method, re.sub(r"\{\w+\}", "{}", URL(call.path, encoded=True).path))
        for call in MATRIX.calls
    }
    missing = {
        (method, path)
        for method, path in served - OUTSIDE_THE_MATRIX
        if not any(method == of and _fits(routes[path], asked) for of, asked in known)
    }
    assert not missing, f"no row in matrix.yaml: {sorted(missing)}"
    pending = {call.name for call in MATRIX.calls if call.is_pending}
    assert len(pending) == len(ABSENT)


def _fits(route: str, asked: str) -> bool:
    """``asked`` may say a word where the route has a parameter (``/users/me``)."""
    pattern = re.escape(route).replace(re.escape("{}"), r"[^/]+")
    return re.fullmatch(pattern, asked) is not None

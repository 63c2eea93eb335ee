"""Running cells of the matrix on the doors, and telling which came out wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from attrs import define, field

from tests.access.cells import Call, Cell, Matrix, TopicForm, read_matrix
from tests.access.mqtt_client import FAILURES_FROM, MqttClient
from tests.access.world import World
from tests.doors.http.serving import Reply

MATRIX: Matrix = read_matrix()
PLACEHOLDER = re.compile(r"\{(\w+)\}")
NOT_FOUND = re.compile(r"^422: 2: Validation Error: \w+ not found$")
NOT_ABOUT_A_THING = {"me", "friend", "permitted", "owner", "own_input", "own_output"}

Select = Callable[[Cell], bool]


@define
class Run:
    """What was run, and a line for each cell that came out wrong."""

    count: int = 0
    wrong: list[str] = field(factory=list)

    def note(self, cell: Cell, verdict: str) -> None:
        self.count += 1
        if verdict != cell.verdict:
            self.wrong.append(f"{cell}: {verdict}, not {cell.verdict} · {cell.because}")

    def check(self) -> None:
        assert self.count, "no cell was selected"
        assert not self.wrong, f"{len(self.wrong)} wrong cells\n" + "\n".join(self.wrong)


def filled(value: Any, names: dict[str, str]) -> Any:
    """The text, or the values of the mapping or list, with each ``{name}`` put in."""
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if not isinstance(value, str):
        return value
    return PLACEHOLDER.sub(lambda found: names.get(found[1], found[0]), value)


async def ask(world: World, call: Call, cell: Cell, names: dict[str, str]) -> Reply:
    options: dict[str, Any] = {}
    if call.body is not None:
        options["json"] = filled(call.body, names)
    if call.file is not None:
        options["data"] = aiohttp.FormData()
        options["data"].add_field(call.part, filled(call.file, names), filename="any")
    path = filled(call.path, names)
    return await world.ask(call.method, path, world.token(cell.column, cell.row), **options)


def found_in(document: Any, path: str) -> Any:
    """What the dotted path leads to; through lists, everything it leads to."""
    for step in path.split("."):
        if isinstance(document, list):
            found = [inner[step] for inner in document]
            document = [one for x in found for one in (x if isinstance(x, list) else [x])]
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
            found = found_in(reply.json, call.field)
            return "y" if (any(found) if isinstance(found, list) else found) else "0"
        return "y"
    detail = reply.json["detail"]
    if reply.status == 403 and detail.startswith("403: 1: No Access: "):
        return "-"
    if reply.status == 422 and isinstance(detail, str):
        return "0" if NOT_FOUND.match(detail) else detail.split(": ")[1]
    return f"{reply.status} {detail}"


def every(cell: Cell) -> bool:
    return True


async def on_rest(world: World, selects: Select = every) -> Run:
    """Each cell on the same world: what one changes is undone before the next."""
    run, untouched = Run(), world.database._world
    for call in MATRIX.calls:
        for cell in call.cells:
            if call.is_pending or not selects(cell):
                continue
            names = world.names(cell.column, cell.row)
            reply = await ask(world, call, cell, names)
            verdict = verdict_of(call, reply, names)
            run.note(cell, verdict)
            await world.settle()
            world.database._world = untouched
            if verdict == "0" and reply.status == 422:
                things = set(world.things[cell.row]) - NOT_ABOUT_A_THING
                absent = names | dict.fromkeys(things, names["absent"])
                other = await ask(world, call, cell, absent)
                if (other.status, other.content) != (reply.status, reply.content):
                    run.wrong.append(f"{cell}: tells an unseen thing from an absent one")
    return run


def asked_of(door: str, selects: Select) -> Iterator[tuple[TopicForm, str, Cell]]:
    for form in MATRIX.topics:
        if door in form.doors:
            for action, cells in form.cells.items():
                for cell in filter(selects, cells):
                    yield form, action, cell


def topic_of(world: World, form: TopicForm, cell: Cell) -> str:
    names = world.names(cell.column, cell.row)
    topic: str = filled(form.topic, names | {"TEMP": names.get("temp", "").upper()})
    return topic


async def on_our_endpoint(world: World, selects: Select = every) -> Run:
    """Who may connect does what the cells say over one connection; others are refused at
    CONNECT, which denies all their cells."""
    run = Run()
    for connect in MATRIX.connects:
        for cell in filter(selects, connect.cells):
            token = world.token(cell.column, cell.row) or ""
            names = world.names(cell.column, cell.row)
            async with MqttClient(world.port, token, filled(connect.client_id, names)) as client:
                run.note(cell, "-" if client.code else "y")
    async with AsyncExitStack() as stack:
        clients: dict[str, MqttClient] = {}
        for form, action, cell in asked_of("endpoint", selects):
            token = world.token(cell.column, cell.row) or ""
            if token not in clients:
                client = MqttClient(world.port, token)
                clients[token] = await stack.enter_async_context(client)
            run.note(cell, await judged(clients[token], action, topic_of(world, form, cell)))
    return run


async def judged(client: MqttClient, action: str, topic: str) -> str:
    if client.code:
        return "-"
    if action == "publish":
        return "-" if await client.publish(topic) >= FAILURES_FROM else "y"
    if await client.subscribe(topic) >= FAILURES_FROM:
        return "-"
    await client.unsubscribe(topic)
    return "y"


async def on_the_hook(world: World, selects: Select = every) -> Run:
    """What ``POST /units/auth`` tells an external broker that names the action."""
    run = Run()
    for form, action, cell in asked_of("hook", selects):
        token = world.token(cell.column, cell.row) or ""
        body = {"token": token, "topic": topic_of(world, form, cell), "action": action}
        reply = await world.ask("POST", "/units/auth", None, json=body)
        run.note(cell, {"allow": "y", "deny": "-"}[reply.json["result"]])
    return run

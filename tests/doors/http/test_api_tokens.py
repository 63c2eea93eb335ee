"""API tokens at the door: no route does more for one than its scope names (W26)."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import attrs
import pytest

from tests.doors.http.platform import Platform
from tests.doors.http.test_audit import REQUESTS, Ask, changing, filled, things

__all__ = ["things"]

CONTROL = {
    ("POST", "/units/send_command_to_input_base_topic/{uuid}"),
    ("POST", "/units/bulk_command"),
    ("PATCH", "/unit_nodes/set_state_input/{uuid}"),
}
NEVER = {
    ("PATCH", "/repository_registry/set_credentials/{uuid}"),
    ("PATCH", "/repository_registry/backend_sync_registry"),
    ("POST", "/repos/bulk_update"),
    ("POST", "/units/rotate_token/{uuid}"),
    ("POST", "/units/revoke_token/{uuid}"),
    ("POST", "/permission"),
    ("DELETE", "/permission/{uuid}"),
}
WITHOUT_TOKEN = {("POST", "/repository_registry/webhook/{uuid}")}
TOLD_FOR_EACH = {
    ("POST", "/units/bulk_command"),
    ("POST", "/units/import_csv"),
    ("POST", "/units/import"),
}
"""Answers with the refusal of each unit."""


def is_never(route: tuple[str, str]) -> bool:
    return route in NEVER or route[1].startswith("/users")


async def made(life, who: str, scope: str, **more: Any) -> str:
    body = {"name": "script", "scope": scope} | more
    return (await life.done("POST", "/users/api_tokens", who, json=body))["token"]


def options_of(ask: Ask, things: dict[str, str]) -> dict[str, Any]:
    if ask.file is not None:
        form = aiohttp.FormData()
        form.add_field(ask.part, filled(ask.file, things), filename="any")
        return {"data": form}
    return {} if ask.body is None else {"json": filled(ask.body, things)}


def rows(life) -> dict[str, Any]:
    """Every stored row but the audit log's and the tokens' last use."""
    world = life.platform.stored._world
    names = {field.name for field in attrs.fields(type(world))} - {"audit", "api_tokens"}
    return {name: getattr(world, name) for name in names}


@pytest.mark.parametrize("scope", ["read", "control", "own"])
@pytest.mark.parametrize("route", changing(), ids=" ".join)
async def test_w26_a_changing_route_does_for_an_api_token_what_its_scope_names(
    life, things, route, scope
):
    if route in WITHOUT_TOKEN:
        return
    ask = REQUESTS[route]
    who = ask.who if ask.who in ("alice", "bert", "root") else "alice"
    life.tokens["script"] = await made(life, who, scope)
    before = rows(life)
    reply = await life.ask(route[0], ask.path.format(**things), "script", **options_of(ask, things))
    is_allowed = not is_never(route) and (
        scope == "own" or (scope == "control" and route in CONTROL)
    )
    if is_allowed:
        assert reply.status in (200, 201, 204), reply.content
    elif route in TOLD_FOR_EACH:
        assert reply.status in (200, 403, 422), reply.content
    else:
        assert (reply.status, reply.detail[:18]) == (403, "403: 1: No Access:"), reply.content
    await life.platform.background.stop()
    if not is_allowed:
        assert rows(life) == before


def reading() -> list[str]:
    platform = Platform()
    routes = [route for door in platform.doors() for route in door.routes()]
    platform.passwords.close()
    return [
        one.path
        for one in routes
        if one.method == "GET" and one.answer is not type(None) and not one.outside_api
    ]


@pytest.mark.parametrize("scope", ["read", "own"])
async def test_w26_no_reading_route_tells_an_api_token_of_units_beyond_its_limit(
    life, things, scope
):
    path = f"/unit_nodes?unit_uuid={things['unit']}"
    nodes = (await life.done("GET", path, "alice"))["unit_nodes"]
    hidden = [things["unit"], things["repo"], *(node["uuid"] for node in nodes)]
    hidden.remove(things["output"])  # a link joins it to the unit that may be seen
    life.tokens["limited"] = await made(life, "alice", scope, unit_uuids=[things["other"]])
    life.tokens["free"] = await made(life, "alice", scope)
    shown = set()
    for route in reading():
        for name in ("unit", "repo", "output", "input", "registry", "alice"):
            asked = route.replace("{uuid}", things[name])
            query = f"?uuid={things[name]}&resource_uuid={things[name]}&resource_type=Unit"
            reply = await life.ask("GET", asked + query, "limited")
            assert reply.status in (200, 403, 405, 422), (asked, reply.content)
            told = reply.content.decode(errors="replace") if reply.status == 200 else ""
            about_units = re.sub(r'"repo_uuid": ?"[^"]+"', "", told)
            assert not [uuid for uuid in hidden if uuid in about_units], asked
            free = await life.ask("GET", asked + query, "free")
            if free.status == 200 and any(uuid.encode() in free.content for uuid in hidden):
                shown.add(route)
    assert {"/units", "/units/{uuid}", "/unit_nodes", "/unit_nodes/{uuid}", "/repos"} <= shown
    (unit,) = (await life.done("GET", "/units", "limited"))["units"]
    assert unit["uuid"] == things["other"]


async def test_w26_a_token_travels_in_either_header(life):
    text = await made(life, "alice", "read")
    for headers in (
        {"X-Auth-Token": text},
        {"Authorization": f"Bearer {text}"},
        {"authorization": f"bearer  {text}"},
        {"X-Auth-Token": "", "Authorization": f"Bearer {text}"},
    ):
        assert (await life.ask("GET", "/users", headers=headers)).status == 200
    for headers in ({"Authorization": text}, {"Authorization": f"Basic {text}"}):
        assert (await life.ask("GET", "/users", headers=headers)).status == 403
    wrong = {"X-Auth-Token": "pu_wrong", "Authorization": f"Bearer {text}"}
    assert (await life.ask("GET", "/users", headers=wrong)).detail.endswith("token is invalid")
    proxied = {"Authorization": f"Bearer {life.tokens['alice']}"}
    assert (await life.ask("GET", "/repos", headers=proxied)).status == 200
    assert (await life.ask("GET", "/users", headers=proxied)).status == 403


async def test_the_model_of_an_api_token(life):
    unit = await life.device()
    body = {"name": "script", "scope": "read", "expires_in_seconds": 60}
    made = await life.done(
        "POST", "/users/api_tokens", "alice", json=body | {"unit_uuids": [unit["uuid"]]}
    )
    assert list(made) == ["api_token", "token"]
    token = made["api_token"]
    assert list(token) == [
        "uuid",
        "name",
        "hint",
        "scope",
        "unit_uuids",
        "create_datetime",
        "expiration_datetime",
        "last_use_datetime",
    ]
    assert (token["scope"], token["unit_uuids"]) == ("read", [unit["uuid"]])
    assert token["hint"] == made["token"][-10:-6] and token["last_use_datetime"] is None
    assert await life.done("GET", "/users/api_tokens", "alice") == {
        "count": 1,
        "api_tokens": [token],
    }
    life.tokens["script"] = made["token"]
    assert (await life.ask("GET", "/units", "script")).status == 200
    (listed,) = (await life.done("GET", "/users/api_tokens", "alice"))["api_tokens"]
    assert listed["last_use_datetime"] is not None
    await life.done("DELETE", f"/users/api_tokens/{token['uuid']}", "alice")
    assert (await life.ask("GET", "/units", "script")).detail.endswith("token is revoked")
    told = (await life.done("GET", "/audit", "alice"))["entries"]
    assert [(entry["verb"], entry["subject_name"]) for entry in told[:2]] == [
        ("users.revoke_token", "script"),
        ("users.make_token", "script"),
    ]


@pytest.mark.parametrize("seconds", [0, -1, 10**15])
async def test_a_wrong_lifetime_of_an_api_token_is_refused(life, seconds):
    body = {"name": "script", "scope": "read", "expires_in_seconds": seconds}
    reply = await life.ask("POST", "/users/api_tokens", "alice", json=body)
    assert (reply.status, reply.detail[:6]) == (422, "422: 3")


async def test_w26_what_an_api_token_does_is_told_with_its_name(life):
    unit = await life.device()
    life.tokens["script"] = await made(life, "alice", "own")
    await life.done("PATCH", f"/units/{unit['uuid']}", "script", json={"name": "renamed"})
    (entry,) = (await life.done("GET", "/audit?verb=units.edit", "alice"))["entries"]
    assert entry["agent_name"] == "alice by API token 'script'"

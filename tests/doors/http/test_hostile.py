"""Whatever is sent, the answer is one of the contract's, never an incident."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepeunit.codecs.rest.json_text import dump
from pepeunit.codecs.rest.requests import read_json, read_texts
from pepeunit.codecs.rest.violations import PageOutOfRange, RequestInvalid
from pepeunit.entrypoints.http.devices import BrokerQuestion, Compression, EnvBody, StoredState
from pepeunit.entrypoints.http.nodes import NodeList, NodePatch
from pepeunit.entrypoints.http.registries import BranchCommits, NewRegistry
from pepeunit.entrypoints.http.units import LogList, NewUnit, UnitList

BODIES = (NewUnit, NewRegistry, NodePatch, EnvBody, StoredState, BrokerQuestion)
QUERIES = (UnitList, NodeList, LogList, BranchCommits, Compression)
NAMES = sorted({name for kind in (*BODIES, *QUERIES) for name in kind.__annotations__})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(BODIES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_body_is_read_or_refused_in_the_list_form(kind, document):
    body = json.dumps(document).encode()
    try:
        read_json(kind, body)
    except RequestInvalid as invalid:
        found = json.loads(dump(list(invalid.violations)))
        if not found or any(violation["loc"][0] != "body" for violation in found):
            pytest.fail(f"no place in {found}")


@given(st.sampled_from(BODIES), st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(kind, body):
    try:
        read_json(kind, body)
    except RequestInvalid as invalid:
        json.loads(dump(list(invalid.violations)))


@given(
    st.sampled_from(QUERIES),
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.text(), min_size=1, max_size=3)),
)
@settings(max_examples=300, deadline=None)
def test_any_query_is_read_or_refused(kind, texts):
    try:
        value = read_texts(kind, "query", texts)
        if hasattr(value, "check_range"):
            value.check_range(500)
    except (RequestInvalid, PageOutOfRange):
        pass


ODD = ("\0", "'", "%", "\\", "\ud7ff", "💥", "a" * 5000, "9" * 40, "-1", "../..", "\n", "{}")


@pytest.mark.parametrize("text", ODD)
async def test_odd_texts_never_cause_an_incident(life, text):
    uuid = (await life.device())["uuid"]
    odd = quote(text, safe="")
    calls = [
        life.ask("GET", f"/users/{odd}", "alice"),
        life.ask("GET", f"/users?search_string={odd}&uuids={odd}", "alice"),
        life.ask("GET", f"/units?search_string={odd}", "alice"),
        life.ask("GET", f"/repos?search_string={odd}&offset={odd}", "alice"),
        life.ask("GET", f"/unit_nodes?search_string={odd}&limit={odd}", "alice"),
        life.ask("POST", f"/units/set_state_storage/{uuid}", "alice", json={"state": text}),
        life.ask("PATCH", f"/units/env/{uuid}", "alice", json={"env_json_string": text}),
        life.ask("PATCH", f"/units/{uuid}", "alice", json={"name": text, "repo_branch": text}),
        life.ask("POST", "/users", json={"login": text, "password": text}),
        life.ask("POST", "/users/auth", json={"credentials": text, "password": text}),
        life.ask("POST", "/units/auth", json={"token": text, "topic": text}),
        life.ask("POST", f"/repository_registry/webhook/{odd}", data=text.encode()),
        life.ask("GET", "/metrics/", headers={"X-Forwarded-For": quote(text[:100])}),
    ]
    for reply in await asyncio.gather(*calls):
        assert reply.status in (200, 201, 204, 403, 404, 422, 429), reply.content


@pytest.mark.parametrize("token", ["x" * 7000, "ü", "a.b.c", "Bearer x", '{"uuid":"1"}', "...."])
async def test_odd_tokens_are_refused(life, token):
    reply = await life.client.ask("GET", "/metrics/", token)
    assert (reply.status, reply.detail[:6]) == (403, "403: 1")


async def test_a_deleted_accounts_and_units_token_is_refused(life):
    uuid = (await life.device())["uuid"]
    assert (await life.ask("GET", "/metrics/", "lamp")).status == 200
    await life.done("DELETE", f"/units/{uuid}", "alice")
    assert (await life.ask("GET", "/metrics/", "lamp")).status == 403


async def test_callers_without_a_token_may_send_little(life):
    for path in ("/users", "/users/auth", "/units/auth", "/units", "/repos"):
        reply = await life.ask("POST", path, json={"login": "x" * 70_000})
        assert (reply.status, reply.detail[:6]) == (413, "413: 2")
    reply = await life.ask("POST", "/units", "alice", json={"login": "x" * 70_000})
    assert reply.status == 422


async def test_a_push_hook_may_send_what_code_hosts_send_and_no_more(life):
    path = f"/pepeunit/api/v1/repository_registry/webhook/{uuid4()}"
    for size, status in ((900_000, b"403"), (1_100_000, b"413")):
        reader, writer = await asyncio.open_connection("127.0.0.1", life.client.port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        if status == b"403":
            writer.write(b"x" * size)
        assert (await reader.readline()).split()[1] == status
        writer.close()


async def test_a_body_cut_short_is_no_incident(life, caplog):
    caplog.set_level(logging.INFO)
    _, writer = await asyncio.open_connection("127.0.0.1", life.client.port)
    head = "POST /pepeunit/api/v1/users HTTP/1.1\r\nHost: x\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{{".encode())
    await writer.drain()
    assert (await life.ask("GET", "/metrics/")).status == 200
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while not any("POST /pepeunit/api/v1/users" in r.getMessage() for r in caplog.records):
            await asyncio.sleep(0.01)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_what_is_no_http_is_logged_in_one_line_without_what_was_sent(life, caplog):
    reply = await life.ask("GET", f"/users?search_string=hush{'x' * 70_000}", "alice")
    assert reply.status == 400
    lines = [r.getMessage() for r in caplog.records if r.name == "pepeunit.http.server"]
    assert lines == ["LineTooLong in a request of 127.0.0.1"]
    assert "hush" not in caplog.text
    uuids = "&".join(f"uuids={uuid4()}" for _ in range(1000))
    assert (await life.ask("GET", f"/units?{uuids}", "alice")).json == {"count": 0, "units": []}

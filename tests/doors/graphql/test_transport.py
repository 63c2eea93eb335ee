"""The path, its bodies and its cookies (spec graphql.md 1, 2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from pepeunit.entrypoints.graphql.transport import BROKEN_FORM
from tests.doors.graphql.platform import PATH, Gql, served
from tests.doors.http.serving import Reply

METRICS = "{ getBaseMetrics { userCount } }"
HTML = {"Accept": "text/html"}


def is_refused(reply: Reply, text: str) -> bool:
    plain = reply.headers["Content-Type"].startswith("text/plain")
    return (reply.status, plain, reply.content.decode()) == (400, True, text)


async def test_a_query_is_answered_with_its_length(gql: Gql) -> None:
    for path in (PATH, f"{PATH}/"):
        reply = await gql.send(path=path, json={"query": METRICS}, headers=HTML)
        assert (reply.status, reply.json) == (200, {"data": {"getBaseMetrics": {"userCount": 0}}})
        assert reply.headers["Content-Type"].startswith("application/json")
        assert int(reply.headers["Content-Length"]) == len(reply.content)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Unable to parse request body as JSON"),
        (b"{", "Unable to parse request body as JSON"),
        (b"1", "Unable to parse request body as JSON"),
        (b"[]", "Batching is not enabled"),
        (b'[{"query": "{ __typename }"}]', "Batching is not enabled"),
        (b"{}", "No GraphQL query found in the request"),
        (b'{"query": ""}', "No GraphQL query found in the request"),
        (b'{"query": null}', "No GraphQL query found in the request"),
        (b'{"query": 1}', "No GraphQL query found in the request"),
        (b'{"query": "{ __typename }", "variables": []}', "The variables must be an object"),
        (b'{"query": "{ __typename }", "operationName": 1}', "The operationName must be a text"),
    ],
)
async def test_what_is_no_request_is_a_400_in_plain_text(gql: Gql, body: bytes, text: str) -> None:
    json_type = {"Content-Type": "application/json; charset=utf-8"}
    assert is_refused(await gql.send(data=body, headers=json_type), text)


@pytest.mark.parametrize("kind", ["text/plain", "application/graphql", "application/xml"])
async def test_another_type_of_body_is_not_supported(gql: Gql, kind: str) -> None:
    reply = await gql.send(data=METRICS.encode(), headers={"Content-Type": kind})
    assert is_refused(reply, "Unsupported content type")


async def test_null_variables_and_operation_are_none(gql: Gql) -> None:
    document = {"query": METRICS, "variables": None, "operationName": None}
    assert "errors" not in (await gql.send(json=document)).json


async def test_variables_that_are_not_declared_are_ignored(gql: Gql) -> None:
    answer = await gql.ask(METRICS, searchString="", limit=5, visibilityLevel=["PUBLIC"])
    assert "errors" not in answer


async def test_the_operation_named_is_run(gql: Gql) -> None:
    text = f"query one {METRICS} query two {{ __typename }}"
    reply = await gql.send(json={"query": text, "operationName": "two"})
    assert reply.json == {"data": {"__typename": "Query"}}


async def test_w23_get_answers_queries_alone(gql: Gql) -> None:
    query = "query a($f: UnitFilterInput!) { getUnits(filters: $f) { count } } "
    query += "query b { __typename }"
    path = f"{PATH}?query={quote(query)}&variables={quote(json.dumps({'f': {}}))}&operationName=a"
    assert (await gql.send("GET", path)).json == {"data": {"getUnits": {"count": 0}}}
    refused = {
        "mutation { bulkUpdate { isNone } }": "mutations are not allowed when using GET",
        '{ getToken(data: {credentials: "a", password: "b"}) }': (
            "getToken is not allowed when using GET"
        ),
    }
    for text, message in refused.items():
        assert is_refused(await gql.send("GET", f"{PATH}?query={quote(text)}"), message)
    broken = await gql.send("GET", f"{PATH}?query={quote(METRICS)}&variables=%7B")
    assert is_refused(broken, "Unable to parse request body as JSON")
    assert is_refused(await gql.send("GET"), "No GraphQL query found in the request")


async def test_a_query_beside_a_mutation_may_be_got(gql: Gql) -> None:
    text = "query a { __typename } mutation b { bulkUpdate { isNone } }"
    reply = await gql.send("GET", f"{PATH}?query={quote(text)}&operationName=a")
    assert reply.json == {"data": {"__typename": "Query"}}
    reply = await gql.send("GET", f"{PATH}?query={quote(text)}&operationName=b")
    assert is_refused(reply, "mutations are not allowed when using GET")


async def test_text_that_is_not_ascii_comes_back(gql: Gql) -> None:
    reply = await gql.send(json={"query": '{ __type(name: "Ü") { name } x: __typename }'})
    assert reply.json == {"data": {"__type": None, "x": "Query"}}


async def test_introspection_is_on(gql: Gql) -> None:
    found = await gql.done('{ __type(name: "UserType") { fields { name } } }')
    assert {"name": "login"} in found["fields"]


async def test_the_page_is_of_our_own_files(gql: Gql) -> None:
    page = await gql.send("GET", headers=HTML)
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "'unsafe-eval'" not in policy
    text = page.content.decode()
    assert "http" not in text
    for name in ("start.js", "graphiql.min.js", "graphiql.min.css", "react.production.min.js"):
        assert f"{PATH}/static/{name}" in text
        assert (await gql.send("GET", f"{PATH}/static/{name}")).status == 200
    asked = await gql.send("GET", f"{PATH}?query={quote(METRICS)}", headers=HTML)
    assert asked.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("settings", "has_page"),
    [
        ({"PU_SECURE": "true"}, False),
        ({"PU_SECURE": "true", "PU_FF_GRAPHIQL_ENABLE": "true"}, True),
        ({"PU_FF_GRAPHIQL_ENABLE": "false"}, False),
    ],
)
async def test_w23_the_page_follows_its_setting(settings: dict[str, str], has_page: bool) -> None:
    async with served(**settings) as gql:
        page = await gql.send("GET", headers=HTML)
        static = await gql.send("GET", f"{PATH}/static/start.js")
    assert (page.status, static.status) == ((200, 200) if has_page else (400, 404))


@pytest.mark.parametrize("secure", ["true", "false"])
async def test_deleting_cookies_needs_nothing(secure: str) -> None:
    async with served(PU_SECURE=secure) as gql:
        reply = await gql.send(json={"query": "mutation { deleteUserCookies { isNone } }"})
    name, *flags = (part.strip() for part in reply.headers["Set-Cookie"].split(";"))
    assert name.partition("=")[0] == "PepeunitGrafana"
    assert name.partition("=")[2] in ("", '""')
    lower = {flag.lower() for flag in flags}
    assert {"httponly", "path=/", "samesite=lax", "max-age=0"} <= lower
    assert ("secure" in lower) == (secure == "true")


async def test_no_cookie_is_set_while_grafana_is_off(gql: Gql) -> None:
    await gql.sign_up("alice")
    reply = await gql.send(
        json={
            "query": "query($d: UserAuthInput!) { getToken(data: $d) }",
            "variables": {"d": {"credentials": "alice", "password": "Correct-horse1"}},
        }
    )
    assert "errors" not in reply.json
    assert "Set-Cookie" not in reply.headers


async def test_a_person_must_drop_his_token_to_sign_in(gql: Gql) -> None:
    await gql.sign_up("alice")
    refused = await gql.refused(
        "query($d: UserAuthInput!) { getToken(data: $d) }",
        "alice",
        d={"credentials": "alice", "password": "Correct-horse1"},
    )
    assert refused.startswith("403: 1: No Access: ")


TOML = b"[general]\nname = 'lamp'\n"
CONVERT = "query($file: Upload!) { getConvertTomlToMd(file: $file) }"


async def test_a_file_goes_up_with_a_query_and_with_a_mutation(gql: Gql) -> None:
    await gql.sign_up("alice")
    answer = await gql.ask(CONVERT, "alice", files={"file": TOML})
    message = str(answer)
    assert "Readme" in message or "lamp" in message
    table = b"name,visibility_level,repo_uuid\n"
    answer = await gql.ask(
        """mutation($file: Upload!, $dry: Boolean!) {
             importUnitsCsv(file: $file, dryRun: $dry) { isDryRun count } }""",
        "alice",
        files={"file": table},
        dry=True,
    )
    assert answer["data"] is None or answer["data"]["importUnitsCsv"]["isDryRun"]


async def test_an_empty_file_is_a_file(gql: Gql) -> None:
    await gql.sign_up("alice")
    answer = await gql.ask(CONVERT, "alice", files={"file": b""})
    assert isinstance(answer["data"]["getConvertTomlToMd"], str)


async def test_a_file_that_is_too_long_for_its_operation_is_told_so(gql: Gql) -> None:
    await gql.sign_up("alice")
    answer = await gql.ask(CONVERT, "alice", files={"file": b"#" * 70_000})
    (error,) = answer["errors"]
    assert error["message"] == ("422: 2: Validation Error: the file may have at most 65536 bytes")


@pytest.mark.parametrize("who", ["none", "a.b.c"])
async def test_who_is_unknown_sends_little(gql: Gql, who: str) -> None:
    answer = await gql.ask(CONVERT, who, files={"file": b"#" * 70_000})
    assert answer["data"] is None
    assert answer["errors"][0]["message"] == (
        "413: 2: Validation Error: the body may have at most 65536 bytes"
    )


async def chunks(count: int, head: bytes, tail: bytes) -> Any:
    yield head
    for _ in range(count):
        yield b"#" * 65536
    yield tail


@pytest.mark.parametrize("who", ["none", "alice"])
async def test_a_body_of_unknown_length_is_cut_at_the_limit(who: str) -> None:
    async with served(PU_CSV_BYTES_MAX="1048576") as gql:
        await gql.sign_up("alice")
        head = b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n'
        head += json.dumps({"query": CONVERT, "variables": {"file": None}}).encode()
        head += b'\r\n--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n'
        head += b'{"1": ["variables.file"]}\r\n--x\r\n'
        head += b'Content-Disposition: form-data; name="1"; filename="a"\r\n\r\n'
        reply = await gql.send(
            who=who,
            data=chunks(32, head, b"\r\n--x--\r\n"),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    most = 65536 if who == "none" else 1048576
    assert reply.json["errors"][0]["message"].endswith(f"at most {most} bytes")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "The parts operations and map are needed"),
        ({"operations": "{}"}, "The parts operations and map are needed"),
        ({"operations": "{", "map": "{}"}, "Unable to parse request body as JSON"),
        ({"operations": "[]", "map": "{}"}, "Batching is not enabled"),
        ({"operations": "{}", "map": "{}"}, "No GraphQL query found in the request"),
        ({"operations": "{}", "map": '{"1": ["query"]}', "1": "x"}, "The part map names variables"),
        (
            {"operations": "{}", "map": '{"1": ["variables.a.b"]}', "1": "x"},
            "The part map names a variable that is not there",
        ),
        (
            {"operations": '{"variables": {"a": []}}', "map": '{"1": ["variables.a.7"]}', "1": ""},
            "The part map names a variable that is not there",
        ),
        ({str(number): "x" for number in range(9)}, "At most 8 parts are read"),
        (
            {"operations": "{}", "map": json.dumps({"1": ["variables.a"] * 21}), "1": "x"},
            "A file goes into at most 20 variables",
        ),
    ],
)
async def test_a_form_outside_the_convention_is_a_400(
    gql: Gql, parts: dict[str, str], text: str
) -> None:
    body = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'
        for name, content in parts.items()
    )
    reply = await gql.send(
        data=f"{body}--x--\r\n".encode(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert is_refused(reply, text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"--x\r\n\r\nabc",
        b"--x\r\nno header\r\n\r\nabc\r\n--x--",
        b"--x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
        b"--x\r\nContent-Type: multipart/mixed\r\n\r\n--x--",
    ],
)
async def test_a_broken_form_is_a_400_and_no_incident(gql: Gql, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert is_refused(await gql.send(data=body, headers=headers), BROKEN_FORM)


async def test_a_part_that_nobody_asked_for_counts_too(gql: Gql) -> None:
    reply = await gql.send(
        data=chunks(32, b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n', b"\r\n"),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert reply.json["errors"][0]["message"].endswith("at most 65536 bytes")


async def test_a_form_without_a_boundary_is_a_400(gql: Gql) -> None:
    reply = await gql.send(data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert reply.status == 400


async def test_one_file_may_fill_several_variables(gql: Gql) -> None:
    await gql.sign_up("alice")
    query = (
        "query($a: Upload!, $b: Upload!) "
        "{ one: getConvertTomlToMd(file: $a) two: getConvertTomlToMd(file: $b) }"
    )
    document = {"query": query, "variables": {"a": None, "b": None}}
    form = aiohttp.FormData()
    form.add_field("operations", json.dumps(document))
    form.add_field("map", '{"f": ["variables.a", "variables.b"]}')
    form.add_field("f", b"", filename="x")
    reply = await gql.send(who="alice", data=form)
    assert reply.json["data"]["one"] == reply.json["data"]["two"]


async def test_a_text_where_a_file_belongs_is_refused(gql: Gql) -> None:
    refused = await gql.refused(CONVERT, file="text")
    assert "Expected a file of a multipart/form-data request" in refused


async def test_the_character_nul_reaches_no_store(gql: Gql) -> None:
    await gql.sign_up("alice")
    query = "query($f: UserFilterInput!) { getUsers(filters: $f) { count } }"
    refused = await gql.refused(query, "alice", f={"searchString": "a\0"})
    assert "NUL" in refused
    literal = '{ getUsers(filters: {searchString: "\\u0000"}) { count } }'
    assert "NUL" in await gql.refused(literal, "alice")


async def test_rest_counts_the_requests_and_their_headers_are_those_of_rest(gql: Gql) -> None:
    reply = await gql.send(json={"query": METRICS})
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Server"] == "pepeunit"


async def test_an_api_token_has_its_scope_here_too(gql: Gql) -> None:
    await gql.sign_up("alice")
    made = await gql.send(
        path="/pepeunit/api/v1/users/api_tokens",
        who="alice",
        json={"name": "backup", "scope": "read"},
    )
    token = made.json["token"]
    assert "errors" not in await gql.ask(METRICS, token)
    bearer = await gql.send(json={"query": METRICS}, headers={"Authorization": f"Bearer {token}"})
    assert "errors" not in bearer.json
    refused = await gql.refused(
        "mutation($u: UserUpdateInput!) { updateUser(user: $u) { login } }",
        token,
        u={"login": "other"},
    )
    assert refused.startswith("403: 1: No Access: no API token may do this")


async def test_w38_one_persons_uploads_leave_turns_for_others_and_wait_no_longer_than_told() -> (
    None
):
    head = b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n'
    content = {"Content-Type": "multipart/form-data; boundary=x"}
    async with served(PU_TURN_SECONDS_MAX="1") as gql:
        await gql.sign_up("alice")
        await gql.sign_up("bobby")
        going_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield head
            await going_on.wait()

        def upload(who: str, data: Any) -> asyncio.Task[Any]:
            return asyncio.create_task(gql.send(who=who, data=data, headers=content))

        held = [upload("alice", slow()) for _ in range(2)]
        whole = head + b"{}".ljust(70_000) + b"\r\n--x--\r\n"
        async with asyncio.timeout(10):
            while (refused := await upload("alice", whole)).status == 400:
                pass
            assert refused.json["errors"][0]["message"].endswith("you have 2 uploads under way")
            assert not going_on.is_set()
            assert (await upload("bobby", whole)).status == 400  # was read, and is no GraphQL
            going_on.set()
            await asyncio.wait(held)
            assert (await upload("alice", whole)).status == 400

"""The application around the operations, shown with a door of plain callables."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from ipaddress import ip_network
from uuid import UUID, uuid4

import pytest
from attrs import frozen

from pepeunit.codecs.rest.requests import Paged
from pepeunit.codecs.rest.strict import Secret
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.errors import Disabled, Invalid, Throttled, Topic, Unauthenticated, Unavailable
from pepeunit.domain.ids import UserId
from pepeunit.entrypoints.http.route import Call, File, Route
from pepeunit.entrypoints.http.site import HttpLimits, Site
from tests.doors.http.serving import FACTS, serving

USER = Agent.user(UserId(uuid4()))
IN_FLIGHT = asyncio.Event()


@frozen
class ThingPath:
    uuid: UUID


@frozen
class AnyPath:
    uuid: str


@frozen(kw_only=True)
class ThingsQuery(Paged):
    uuids: tuple[UUID, ...] | None = None
    is_round: bool | None = None
    since: datetime | None = None


@frozen
class ThingBody:
    name: str
    password: Secret
    weight: int | None = None
    marks: tuple[str, ...] | None = None


@frozen
class ThingModel:
    name: str
    agent: str
    weight: int | None


class Things:
    """Refuses by name, so that one route shows every error."""

    def __init__(self) -> None:
        self.hold: asyncio.Event | None = None
        self.started = 0

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/things", self.create, status=201),
            Route.of("GET", "/things", self.find),
            Route.of("GET", "/things/{uuid}", self.get),
            Route.of("DELETE", "/things/{uuid}", self.forget),
            Route.of("GET", "/things/log_list/", self.logs),
            Route.of("GET", "/things/file/{uuid}", self.file, media_type="application/zip"),
            Route.of("POST", "/things/push", self.push),
            Route.of("POST", "/things/auth", self.auth, reads_token=False),
        )

    async def create(self, agent: Agent, body: ThingBody) -> ThingModel:
        """Make a thing.

        Refused for some names."""
        match body.name:
            case "bug":
                raise KeyError("a secret of the program")
            case "wait":
                raise Throttled("slow down", limit=1, actual=2, retry_after_seconds=2.2)
            case "store":
                raise Unavailable("PostgreSQL", "connection to 10.0.0.1 refused")
            case "git":
                raise Unavailable("git remote", "git.example did not answer")
            case "invalid":
                raise Invalid([("name", "is bad"), ("weight", "is heavy")], Topic.UNIT)
        return ThingModel(body.name, agent.kind.value, body.weight)

    async def find(self, agent: Agent, query: ThingsQuery) -> list[str]:
        """List things."""
        self.started += 1
        if self.hold is not None:
            await self.hold.wait()
        return [str(query.uuids), str(query.is_round), str(query.since)]

    async def get(self, agent: Agent, path: ThingPath) -> ThingModel:
        """One thing."""
        return ThingModel(str(path.uuid), agent.kind.value, None)

    async def forget(self, agent: Agent, path: AnyPath) -> None:
        """Forget it."""

    async def logs(self, agent: Agent) -> str:
        """Logs."""
        return "logs"

    async def file(self, agent: Agent, path: AnyPath) -> File:
        """A file."""
        return File(b"0123456789", "application/zip", "abc")

    async def push(self, agent: Agent, call: Call) -> list[str]:
        """The raw call."""
        return [call.address, call.headers.get("x-hook", ""), call.content.decode()]

    async def auth(self, agent: Agent) -> str:
        """No token is read."""
        return agent.kind.value


async def authenticate(token: str | None) -> Agent:
    if not token:
        return ANONYMOUS
    if token == "user":
        return USER
    raise Unauthenticated("token is invalid")


@pytest.fixture
async def things():
    return Things()


@pytest.fixture
async def client(things):
    async with serving([things], authenticate) as client:
        yield client


async def test_an_absent_or_empty_token_is_the_anonymous_agent(client):
    body = {"name": "ball", "password": "x"}
    for token in (None, "", "  "):
        reply = await client.ask("POST", "/things", token, json=body)
        assert (reply.status, reply.json["agent"]) == (201, "Bot")
    assert (await client.ask("POST", "/things", "user", json=body)).json["agent"] == "User"


async def test_a_bad_token_is_refused_before_anything_is_decoded(client):
    reply = await client.ask("POST", "/things", "garbage", data=b"{")
    assert (reply.status, reply.detail) == (403, "403: 1: No Access: token is invalid")
    assert (await client.ask("POST", "/things/auth", "garbage")).json == "Bot"


@pytest.mark.parametrize("given", [False, 7, "abc", {"a": 1}])
async def test_a_list_is_never_made_of_something_else(client, given):
    body = {"name": "a", "password": "b", "marks": given}
    reply = await client.ask("POST", "/things", json=body)
    assert (reply.status, reply.detail[0]["type"]) == (422, "list_type")
    assert reply.detail[0]["loc"] == ["body", "marks"]


async def test_every_violation_of_a_body_is_listed_without_its_secrets(client):
    body = {"name": 5, "password": 12345, "weight": "7", "more": 1}
    reply = await client.ask("POST", "/things", json=body)
    assert reply.status == 422
    assert reply.detail == [
        {
            "type": "string_type",
            "loc": ["body", "name"],
            "msg": "Input should be a valid string",
            "input": 5,
        },
        {
            "type": "string_type",
            "loc": ["body", "password"],
            "msg": "Input should be a valid string",
            "input": None,
        },
        {
            "type": "int_type",
            "loc": ["body", "weight"],
            "msg": "Input should be a valid integer",
            "input": "7",
        },
    ]
    assert b"12345" not in reply.content


@pytest.mark.parametrize(
    ("content", "content_type", "kind"),
    [
        (b'{"name": "a"}', "application/json", "missing"),
        (b"", "application/json", "missing"),
        (b"{", "application/json", "json_invalid"),
        (b"[]", "application/json", "model_attributes_type"),
        (b'{"name": "ball", "password": "x"}', "text/plain", "model_attributes_type"),
        (b'{"name": "a\\u0000", "password": "x"}', "application/json", "string_nul"),
        (b"[" * 60_000, "application/json", "json_invalid"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_in_the_list_form(
    client, content, content_type, kind
):
    reply = await client.ask(
        "POST", "/things", data=content, headers={"Content-Type": content_type}
    )
    assert reply.status == 422
    (violation,) = reply.detail
    assert violation["type"] == kind
    assert violation["loc"][0] == "body"
    assert set(violation) == {"type", "loc", "msg", "input"}


@pytest.mark.parametrize("weight", [True, 1.0, "1", [1], 2**64])
async def test_nothing_else_is_taken_for_an_integer(client, weight):
    body = {"name": "ball", "password": "x", "weight": weight}
    reply = await client.ask("POST", "/things", json=body)
    assert (reply.status, reply.detail[0]["loc"]) == (422, ["body", "weight"])


async def test_nothing_of_a_long_body_is_repeated(client):
    reply = await client.ask("POST", "/things", json={"name": ["long"], "password": "x" * 2000})
    assert reply.status == 422
    assert reply.detail[0]["input"] is None


async def test_query_values_are_read_as_the_contract_says(client):
    first, second = uuid4(), uuid4()
    query = f"?uuids={first.hex}&uuids={second}&is_round=Yes&is_bot_auth=false&limit=1"
    reply = await client.ask("GET", f"/things{query}&since=2026-11-23T08:39:09%2B02:00")
    assert reply.json == [
        str((first, second)),
        "True",
        "2026-11-23 06:39:09+00:00",
    ]
    naive = await client.ask("GET", "/things?limit=1&since=2026-11-23T08:39:09.5")
    assert naive.json[2] == "2026-11-23 08:39:09.500000+00:00"


async def test_every_violation_of_a_query_is_listed(client):
    query = "?uuids=1&uuids=2&is_round=maybe&since=yesterday&limit=ten&offset="
    reply = await client.ask("GET", f"/things{query}")
    assert reply.status == 422
    assert {(v["type"], tuple(v["loc"])) for v in reply.detail} == {
        ("uuid_parsing", ("query", "uuids", 0)),
        ("uuid_parsing", ("query", "uuids", 1)),
        ("bool_parsing", ("query", "is_round")),
        ("datetime_parsing", ("query", "since")),
        ("int_parsing", ("query", "limit")),
        ("int_parsing", ("query", "offset")),
    }


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=501", "limit must be <= 500"),
        ("limit=-1", "limit must be >= 0"),
        ("offset=-1", "offset must be >= 0"),
    ],
)
async def test_a_page_out_of_range_is_refused_in_plain_text(client, query, detail):
    reply = await client.ask("GET", f"/things?{query}")
    assert (reply.status, reply.detail) == (422, detail)


async def test_w24_unlimited_lists_of_one_address_are_bounded(things, client):
    things.hold = asyncio.Event()
    running = [asyncio.create_task(client.ask("GET", "/things?limit=0")) for _ in range(8)]
    async with asyncio.timeout(5):
        while things.started < 8:
            await asyncio.sleep(0)
    ninth = asyncio.create_task(client.ask("GET", "/things"))
    await asyncio.wait([ninth], timeout=5)
    things.hold.set()
    refused = await ninth
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert {reply.status for reply in await asyncio.gather(*running)} == {200}
    assert (await client.ask("GET", "/things")).status == 200


async def test_w23_a_bug_is_an_incident_whose_traceback_is_in_the_log_alone(client, caplog):
    reply = await client.ask("POST", "/things", json={"name": "bug", "password": "x"})
    assert reply.status == 500
    assert reply.detail.startswith("500: 0: Internal Error: incident ")
    incident = reply.detail.rpartition(" ")[2]
    (record,) = [record for record in caplog.records if incident in record.getMessage()]
    assert record.exc_info is not None
    assert b"secret of the program" not in reply.content


async def test_refusals_carry_status_code_and_label(client):
    async def refusal(name: str) -> tuple[int, str, str | None]:
        reply = await client.ask("POST", "/things", json={"name": name, "password": "x"})
        return reply.status, reply.detail, reply.headers.get("Retry-After")

    assert await refusal("invalid") == (
        422,
        "422: 7: Unit Validation Error: name: is bad; weight: is heavy",
        None,
    )
    assert await refusal("wait") == (429, "429: 1: No Access: slow down", "3")
    status, detail, wait = await refusal("store")
    assert (status, wait) == (503, "1")
    assert detail == "503: 0: Unavailable: PostgreSQL does not answer, try again"
    assert (await refusal("git"))[:2] == (
        422,
        "422: 5: Git Repo Validation Error: git remote: git.example did not answer",
    )


async def test_unknown_routes_and_methods_answer_in_json(client):
    reply = await client.ask("GET", "/nothing")
    assert (reply.status, reply.json) == (404, {"detail": "Not Found"})
    for method in ("HEAD", "PUT", "OPTIONS"):
        reply = await client.ask(method, "/things")
        assert reply.status == 405
        assert reply.headers["Allow"] == "GET,POST"
        if method != "HEAD":
            assert reply.json == {"detail": "Method Not Allowed"}


async def test_both_slash_forms_are_served_directly(client):
    for path in ("/things/log_list", "/things/log_list/"):
        assert (await client.ask("GET", path)).json == "logs"
    assert (await client.ask("GET", "/things/?limit=1")).status == 200
    assert (await client.ask("GET", f"/things/{uuid4()}/")).status == 200


async def test_a_uuid_is_read_in_any_form_and_an_ignored_part_is_any_text(client):
    uuid = uuid4()
    for text in (str(uuid).upper(), uuid.hex, f"%7B{uuid}%7D", f"urn:uuid:{uuid}"):
        assert (await client.ask("GET", f"/things/{text}")).json["name"] == str(uuid)
    reply = await client.ask("GET", "/things/no-uuid")
    assert (reply.status, reply.detail[0]["loc"]) == (422, ["path", "uuid"])
    gone = await client.ask("DELETE", "/things/any%20text")
    assert (gone.status, gone.content) == (204, b"")


async def test_answers_have_a_length_and_are_never_chunked_or_compressed(client):
    for path in ("/things/log_list", f"/things/file/{uuid4()}", "/nothing"):
        reply = await client.ask("GET", path, headers={"Accept-Encoding": "gzip, br"})
        assert int(reply.headers["Content-Length"]) == len(reply.content)
        assert "Transfer-Encoding" not in reply.headers
        assert "Content-Encoding" not in reply.headers
        assert all(len(f"{name}: {text}") < 2048 for name, text in reply.headers.items())


async def test_the_connection_closes_when_asked_to(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(
        b"GET /pepeunit/api/v1/things/log_list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b'"logs"'


async def test_a_file_carries_its_etag_and_serves_one_range(client):
    async def ask(**headers: str):
        return await client.ask("GET", "/things/file/x", headers=headers)

    whole = await ask(Accept="application/json")
    assert (whole.status, whole.content) == (200, b"0123456789")
    assert whole.headers["Content-Type"] == "application/zip"
    assert (whole.headers["ETag"], whole.headers["Accept-Ranges"]) == ('"abc"', "bytes")
    part = await ask(Range="bytes=2-4")
    assert (part.status, part.content) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"
    assert (await ask(Range="bytes=-3")).content == b"789"
    assert (await ask(Range="bytes=8-")).content == b"89"
    past = await ask(Range="bytes=10-")
    assert (past.status, past.headers["Content-Range"]) == (416, "bytes */10")
    assert (await ask(Range="bytes=1-2,4-5")).status == 200
    assert (await ask(**{"Range": "bytes=1-2", "If-Range": '"old"'})).status == 200
    assert (await ask(**{"If-None-Match": '"abc"'})).status == 304


async def test_a_body_over_the_limit_is_refused(things):
    site = Site(FACTS, limits=HttpLimits(body_bytes_max=1000))
    async with serving([things], authenticate, site) as client:
        body = b'{"name": "' + b"x" * 1000 + b'"}'
        sent = {"Content-Type": "application/json"}

        async def pieces() -> AsyncIterator[bytes]:
            yield body

        for data in (body, pieces()):  # with a length, and chunked
            reply = await client.ask("POST", "/things", data=data, headers=sent)
            assert reply.status == 413
            assert reply.detail == "413: 2: Validation Error: the body may have at most 1000 bytes"


async def test_a_body_that_dribbles_in_is_cut_off(things):
    site = Site(FACTS, limits=HttpLimits(body_seconds_max=0.05))
    async with serving([things], authenticate, site) as client:

        async def pieces() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(60)

        sent = {"Content-Type": "application/json"}
        reply = await client.ask("POST", "/things", data=pieces(), headers=sent)
        assert (reply.status, reply.detail) == (408, "Request Timeout")


async def test_large_bodies_wait_for_their_turn_and_small_ones_do_not(things):
    site = Site(FACTS, limits=HttpLimits(large_bodies_max=1))
    async with serving([things], authenticate, site) as client:
        first_holds, go_on = asyncio.Event(), asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"name": '
            first_holds.set()
            await go_on.wait()
            yield b'"big"}'

        async def post(data: object) -> int:
            sent = {"Content-Type": "application/json"}
            return (await client.ask("POST", "/things", "user", data=data, headers=sent)).status

        async def two_pieces() -> AsyncIterator[bytes]:
            yield b'{"name": "second"}'

        first = asyncio.create_task(post(pieces()))
        await first_holds.wait()
        second = asyncio.create_task(post(two_pieces()))
        small = await post(b'{"name": "small"}')
        assert small == await post(b'{"name": "small"}')
        assert not second.done()
        go_on.set()
        assert await first == await second == small


async def test_w31_other_origins_are_refused_unless_listed(things, client):
    ask = {"Origin": "https://ui.example", "Access-Control-Request-Method": "GET"}
    plain = await client.ask("OPTIONS", "/things", headers=ask)
    assert plain.status == 405
    assert "Access-Control-Allow-Origin" not in plain.headers
    site = Site(FACTS, cors_origins=frozenset({"https://ui.example"}))
    async with serving([things], authenticate, site) as listed:
        preflight = await listed.ask("OPTIONS", "/things", headers=ask)
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://ui.example"
        foreign = await listed.ask("GET", "/nothing", headers={"Origin": "https://x.example"})
        assert "Access-Control-Allow-Origin" not in foreign.headers


async def test_the_raw_call_shows_the_client_behind_trusted_proxies_alone(things, client):
    headers = {"X-Forwarded-For": "9.9.9.9, 192.0.2.7", "X-Hook": "secret"}
    direct = await client.ask("POST", "/things/push", data=b"raw", headers=headers)
    assert direct.json == ["127.0.0.1", "secret", "raw"]
    site = Site(FACTS, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with serving([things], authenticate, site) as behind:
        proxied = await behind.ask("POST", "/things/push", data=b"raw", headers=headers)
        assert proxied.json[0] == "192.0.2.7"


async def test_the_access_log_has_neither_token_nor_query(client, caplog):
    caplog.set_level(logging.INFO, "pepeunit.access")
    await client.ask("GET", "/things?limit=1&secret=hush%0A", "user")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "pepeunit.access"]
    assert line.startswith("127.0.0.1 GET /pepeunit/api/v1/things 200 ")
    assert "hush" not in line and "user" not in line


async def test_answers_carry_headers_that_protect_browsers(client):
    headers = (await client.ask("GET", "/things/log_list")).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Server"] == "pepeunit"


def test_a_parameter_that_cannot_be_decoded_is_found_at_start():
    async def wrong(agent: Agent, page: int) -> None: ...

    with pytest.raises(TypeError, match="page cannot be decoded"):
        Route.of("GET", "/x", wrong)


async def test_disabled_operations_say_so(things):
    class Off:
        def routes(self) -> Sequence[Route]:
            return (Route.of("GET", "/off", self.off),)

        async def off(self, agent: Agent) -> None:
            """Off."""
            raise Disabled("dashboards are off on this instance")

    async with serving([Off()], authenticate) as client:
        reply = await client.ask("GET", "/off")
        assert reply.status == 405
        assert reply.detail.startswith("405: 15: Feature Flag Error: ")
        assert (await client.ask("GET", "/off", "garbage")).status == 403


async def test_an_operation_may_take_the_decoded_body_and_the_raw_call():
    class Both:
        def routes(self) -> Sequence[Route]:
            return (Route.of("POST", "/both", self.both),)

        async def both(self, agent: Agent, body: ThingBody, call: Call) -> list[str]:
            """Both."""
            return [body.name, call.content.decode()]

    async with serving([Both()], authenticate) as both:
        reply = await both.ask("POST", "/both", json={"name": "ball", "password": "x"})
        assert reply.json == ["ball", '{"name": "ball", "password": "x"}']

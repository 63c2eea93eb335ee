"""What people and devices do over REST, on the real use cases."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import zlib
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from pepeunit.domain.ids import RegistryId, UnitId
from pepeunit.domain.registries.push_hook import hook_secret
from pepeunit.domain.units.log import LogLevel, UnitLog
from tests.doors.http.conftest import PASSWORD
from tests.doors.http.outside import FIRMWARE, TOKEN
from tests.doors.http.platform import SECRET
from tests.doors.http.serving import FACTS

DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?"


async def test_registering_and_signing_in(life):
    body = {"login": "carol", "password": PASSWORD}
    created = await life.ask("POST", "/users", json=body)
    assert (created.status, created.json["status"]) == (201, "Unverified")
    taken = await life.ask("POST", "/users", "empty", json=body)
    assert (taken.status, taken.detail[:31]) == (422, "422: 3: User Validation Error: ")
    bad = await life.ask("POST", "/users", json={"login": "x y", "password": "short"})
    assert "login: " in bad.detail and "password: " in bad.detail
    token = await life.sign_in("carol")
    assert len(token.split(".")) == 3
    wrong = {"credentials": "carol", "password": "Wrong-horse1"}
    unknown = {"credentials": "nobody", "password": "Wrong-horse1"}
    answers = [await life.ask("POST", "/users/auth", json=body) for body in (wrong, unknown)]
    assert {(reply.status, reply.content) for reply in answers} == {
        (403, b'{"detail":"403: 1: No Access: login or password is wrong"}')
    }


async def test_guessing_passwords_is_throttled(life):
    body = {"credentials": "bert", "password": "Wrong-horse1"}
    replies = [await life.ask("POST", "/users/auth", json=body) for _ in range(12)]
    assert replies[-1].status == 429
    assert replies[-1].detail.startswith("429: 1: No Access: ")
    assert 0 < int(replies[-1].headers["Retry-After"]) <= 300


async def test_a_password_change_keeps_the_callers_own_session_alone(life):
    other = await life.sign_in("alice")
    changed = await life.ask("PATCH", "/users/me", "alice", json={"password": "Another-horse1"})
    assert (changed.status, changed.json["login"]) == (200, "alice")
    assert (await life.ask("GET", "/users", "alice")).status == 200
    assert (await life.client.ask("GET", "/users", other)).status == 403


async def test_a_blocked_account_is_refused_everywhere(life):
    bert = (await life.done("GET", "/users?search_string=bert", "root"))["users"][0]
    assert (await life.ask("PATCH", f"/users/block/{bert['uuid']}", "root")).status == 204
    assert (await life.ask("GET", "/metrics/", "bert")).status == 403
    shown = await life.done("GET", f"/users/{bert['uuid']}", "root")
    assert shown == bert | {"status": "Blocked"}
    assert (await life.ask("PATCH", f"/users/unblock/{bert['uuid']}", "root")).status == 204
    assert (await life.done("GET", f"/users/{bert['uuid']}", "root")) == bert


async def test_a_registry_is_answered_after_its_first_sync(life):
    registry = await life.registry()
    assert registry["sync_status"] == "Updated"
    assert registry["branches"] == ["main"]
    assert json.loads(registry["releases_data"]) == {
        "v2": [["esp32", "https://forge.example/v2/esp32.bin"]]
    }
    body = {"platform": "Github", "repository_url": "x", "is_public_repository": False}
    bad = await life.ask("POST", "/repository_registry", "alice", json=body)
    assert bad.detail.startswith("422: 13: Repository Registry Validation Error: ")
    assert "repository_url: " in bad.detail and "credentials: " in bad.detail


async def test_a_sync_too_early_is_told_how_long_to_wait(life):
    uuid = (await life.registry())["uuid"]
    reply = await life.ask("PATCH", f"/repository_registry/update_local_repository/{uuid}", "alice")
    assert (reply.status, reply.detail[:8]) == (422, "422: 13:")
    assert 0 < int(reply.headers["Retry-After"]) <= 60
    life.platform.clock.now += timedelta(minutes=2)
    path = f"/repository_registry/update_local_repository/{uuid}"
    assert (await life.ask("PATCH", path, "bert")).status == 204


async def test_credentials_come_back_masked(life):
    secret = {"username": "alice", "pat_token": "glpat-right"}
    registry = await life.registry(is_public_repository=False, credentials=secret)
    path = f"/repository_registry/get_credentials/{registry['uuid']}"
    own = await life.done("GET", path, "alice")
    assert own == {
        "credentials": {"username": "alice", "pat_token": "********"},
        "status": "Valid",
    }
    assert (await life.ask("GET", path, "bert")).content == b"null"
    setting = f"/repository_registry/set_credentials/{registry['uuid']}"
    body = {"username": "bert", "pat_token": "glpat-wrong"}
    assert (await life.ask("PATCH", setting, "bert", json=body)).status == 204
    assert (await life.done("GET", path, "bert"))["status"] == "Error"
    shown = await life.done("GET", f"/repository_registry/{registry['uuid']}", "bert")
    assert (shown["branches"], shown["releases_data"]) == ([], None)


@pytest.mark.parametrize("form", ["gitlab", "github"])
async def test_a_push_webhook_needs_the_registrys_secret(life, form):
    uuid = (await life.registry())["uuid"]
    told = await life.done("GET", f"/repository_registry/webhook/{uuid}", "alice")
    secret = hook_secret(SECRET, RegistryId(UUID(uuid)))
    assert told == {"secret": secret}
    body = b'{"ref": "refs/tags/v3"}'
    digest = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    good, bad = {
        "gitlab": ({"X-Gitlab-Token": secret}, {"X-Gitlab-Token": "wrong"}),
        "github": (
            {"X-Hub-Signature-256": digest},
            {"X-Hub-Signature-256": digest[:-1] + "x"},
        ),
    }[form]
    path = f"/repository_registry/webhook/{uuid}"
    for headers in (bad, {}):
        reply = await life.ask("POST", path, data=body, headers=headers)
        assert (reply.status, reply.detail[:6]) == (403, "403: 1")
    assert (await life.ask("POST", path, data=body, headers=good)).status == 204


async def test_a_repo_is_changed_and_only_deleted_when_empty(life):
    lamp = await life.device()
    path = f"/repos/{lamp['repo_uuid']}"
    changed = await life.done(
        "PATCH", path, "alice", json={"name": "blinker2", "default_branch": None}
    )
    assert (changed["name"], changed["default_branch"]) == ("blinker2", "main")
    full = await life.ask("DELETE", path, "alice")
    assert full.detail.startswith("422: 2: Validation Error: ")
    assert (await life.ask("DELETE", f"/units/{lamp['uuid']}", "bert")).status == 403
    assert (await life.ask("DELETE", f"/units/{lamp['uuid']}", "alice")).status == 204
    assert (await life.ask("DELETE", path, "alice")).status == 204
    registry = f"/repository_registry/{changed['repository_registry_uuid']}"
    assert (await life.ask("DELETE", registry, "alice")).status == 204


async def test_a_taken_name_is_refused_with_the_label_of_its_kind(life):
    lamp = await life.device()
    body = {
        "repo_uuid": lamp["repo_uuid"],
        "visibility_level": "Public",
        "name": "lamp",
        "is_auto_update_from_repo_unit": True,
    }
    reply = await life.ask("POST", "/units", "bert", json=body)
    assert (reply.status, reply.detail[:31]) == (422, "422: 7: Unit Validation Error: ")


async def test_platforms_and_versions_of_a_compilable_repo(life):
    registry = await life.registry()
    repo = await life.repo(registry["uuid"], is_compilable_repo=True)
    platforms = f"/repos/available_platforms/{repo['uuid']}"
    esp32 = [{"name": "esp32", "link": "https://forge.example/v2/esp32.bin"}]
    assert await life.done("GET", platforms, "bert") == esp32
    assert await life.done("GET", f"{platforms}?target_tag=v1", "bert") == []
    assert await life.done("GET", f"{platforms}?target_commit={'b' * 40}", "bert") == esp32
    unit = await life.unit(repo["uuid"], target_firmware_platform="esp32")
    assert unit["target_firmware_platform"] == "esp32"
    assert await life.done("GET", f"/repos/versions/{repo['uuid']}", "none") == {
        "unit_count": 0,
        "versions": [],
    }


async def test_o11_a_private_unit_downloads_its_compiled_file_from_the_platform(life):
    registry = await life.registry(
        is_public_repository=False, credentials={"username": "alice", "pat_token": TOKEN}
    )
    repo = await life.repo(registry["uuid"], is_compilable_repo=True)
    uuid = (await life.unit(repo["uuid"], target_firmware_platform="esp32"))["uuid"]
    command = f"/units/send_command_to_input_base_topic/{uuid}?command=Update"
    assert (await life.ask("POST", command, "alice")).status == 204
    told = json.loads(life.platform.broker.published[-1][1])
    path = f"/units/firmware_asset/{uuid}"
    assert told["COMPILED_FIRMWARE_LINK"] == f"{FACTS.api_url}{path}"
    body = FIRMWARE["https://forge.example/v2/esp32.bin"]
    for who in ("lamp", "alice"):
        reply = await life.ask("GET", path, who)
        assert (reply.status, reply.content) == (200, body)
        assert reply.headers["Content-Length"] == str(len(body))
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert not {"Transfer-Encoding", "Content-Encoding"} & set(reply.headers)
        digest = hashlib.sha256(body)
        assert told["COMPILED_FIRMWARE_SHA256"] == digest.hexdigest()
        in_base64 = base64.b64encode(digest.digest()).decode()
        assert reply.headers["Repr-Digest"] == f"sha-256=:{in_base64}:"
    for who in ("none", "bert", "root"):
        assert (await life.ask("GET", path, who)).status == 403


async def test_a_device_downloads_env_schema_and_archives(life):
    uuid = (await life.device())["uuid"]
    env = await life.ask("GET", f"/units/env/{uuid}", "lamp")
    assert env.json["PU_COMMIT_VERSION"] == "b" * 40
    assert env.json["PU_AUTH_TOKEN"] == life.tokens["lamp"]
    assert env.json["BIG"] == 123456789012345678901234567890
    schema = await life.done("GET", f"/units/get_current_schema/{uuid}", "lamp")
    assert schema["input_base_topic"] == {
        "update/pepeunit": [f"{FACTS.domain}/input_base_topic/{uuid}/update/pepeunit"],
        "env_update/pepeunit": [f"{FACTS.domain}/input_base_topic/{uuid}/env_update/pepeunit"],
    }
    tar = await life.ask("GET", f"/units/firmware/tar/{uuid}", "lamp")
    assert tar.headers["Content-Type"] == "application/x-tar"
    tgz = await life.ask("GET", f"/units/firmware/tgz/{uuid}?wbits=9&level=9", "lamp")
    assert tgz.headers["Content-Type"] == "application/x-tar"
    assert zlib.decompress(tgz.content, wbits=9) == tar.content
    assert "Content-Disposition" not in tgz.headers
    part = await life.ask(
        "GET", f"/units/firmware/tar/{uuid}", "lamp", headers={"Range": "bytes=0-9"}
    )
    assert (part.status, part.content) == (206, tar.content[:10])
    packed = await life.ask("GET", f"/units/firmware/zip/{uuid}", "alice")
    assert packed.headers["Content-Type"] == "application/zip"
    bad = await life.ask("GET", f"/units/firmware/tgz/{uuid}?wbits=99", "lamp")
    assert bad.detail.startswith("422: 7: Unit Validation Error: wbits: ")
    words = await life.ask("GET", f"/units/firmware/tgz/{uuid}?wbits=nine", "lamp")
    assert words.detail[0]["loc"] == ["query", "wbits"]
    target = await life.done("GET", f"/units/get_target_version/{uuid}", "lamp")
    assert target == {"commit": "b" * 40, "tag": "v2"}


async def test_an_env_is_saved_reset_and_never_repeated_in_an_answer(life):
    uuid = (await life.device())["uuid"]
    path = f"/units/env/{uuid}"
    body = {"env_json_string": '{"PAUSE": 9, "UNKNOWN": 1}'}
    assert (await life.ask("PATCH", path, "alice", json=body)).status == 204
    env = await life.done("GET", path, "alice")
    assert env["PAUSE"] == 9 and "UNKNOWN" not in env
    bad = await life.ask("PATCH", path, "alice", json={"env_json_string": "[]"})
    assert bad.detail.startswith("422: 9: JSON Decode Error: ")
    typed = await life.ask("PATCH", path, "alice", json={"env_json_string": {"WIFI": "hush"}})
    assert (typed.status, typed.detail[0]["type"]) == (422, "string_type")
    assert b"hush" not in typed.content
    assert (await life.ask("DELETE", path, "alice")).status == 204
    again = await life.done("GET", path, "alice")
    assert again["PAUSE"] == 5
    assert again["PU_SECRET_KEY"] == env["PU_SECRET_KEY"]


async def test_the_state_storage_answers_a_json_string(life):
    uuid = (await life.device())["uuid"]
    writing, reading = f"/units/set_state_storage/{uuid}", f"/units/get_state_storage/{uuid}"

    async def stored(state: object) -> bytes:
        assert (await life.ask("POST", writing, "lamp", json={"state": state})).status == 204
        return (await life.ask("GET", reading, "lamp")).content

    assert (await life.ask("GET", reading, "lamp")).content == b'""'
    assert await stored('{"a":1}') == b'"{\\"a\\":1}"'
    assert await stored({"a": [1, None, "ü"]}) == '"{\\"a\\":[1,null,\\"ü\\"]}"'.encode()
    assert await stored([]) == b'"[]"'
    assert await stored("") == b'""'
    assert len(await stored("x" * 1_000_000)) == 1_000_002
    long = await life.ask("POST", writing, "lamp", json={"state": "x" * 1_000_001})
    assert long.detail.startswith("422: 12: Cipher Error: ")
    for state in (5, None, True):
        reply = await life.ask("POST", writing, "lamp", json={"state": state})
        assert (reply.status, reply.detail[0]["loc"]) == (422, ["body", "state"])


async def test_a_command_reaches_the_units_base_topic(life):
    uuid = (await life.device())["uuid"]
    path = f"/units/send_command_to_input_base_topic/{uuid}"
    life.platform.broker.published.clear()
    assert (await life.ask("POST", f"{path}?command=EnvUpdate", "alice")).status == 204
    assert life.platform.broker.published == [
        (f"{FACTS.domain}/input_base_topic/{uuid}/env_update/pepeunit", b'{"COMMAND":"EnvUpdate"}')
    ]
    unknown = await life.ask("POST", f"{path}?command=Explode", "alice")
    assert (unknown.status, unknown.detail[0]["loc"]) == (422, ["query", "command"])


async def test_an_input_is_set_and_only_its_state_changes(life):
    uuid = (await life.device())["uuid"]
    path = f"/unit_nodes?unit_uuid={uuid}&type=Input"
    before = (await life.done("GET", path, "alice"))["unit_nodes"][0]
    node = f"/unit_nodes/{before['uuid']}"
    changes = {"visibility_level": "Private", "max_connections": 3, "is_rewritable_input": True}
    changed = await life.done("PATCH", node, "alice", json=changes)
    assert changed == before | changes | {"last_update_datetime": changed["last_update_datetime"]}
    life.platform.broker.published.clear()
    setting = f"/unit_nodes/set_state_input/{before['uuid']}"
    after = await life.done("PATCH", setting, "alice", json={"state": "on"})
    moved = {"state": "on", "last_update_datetime": after["last_update_datetime"]}
    assert after == changed | moved
    topic = f"{FACTS.domain}/{before['uuid']}/pepeunit"
    assert life.platform.broker.published == [(topic, b"on")]
    assert (await life.done("PATCH", setting, "alice", json={}))["state"] is None
    wrong = await life.ask("PATCH", node, "alice", json={"max_connections": 0})
    assert wrong.detail.startswith("422: 8: UnitNode Validation Error: max_connections: ")
    wider = await life.ask("GET", node, "bert")
    assert wider.detail == "422: 2: Validation Error: node not found"


async def test_two_nodes_are_linked_once(life):
    uuid = (await life.device())["uuid"]
    nodes = (await life.done("GET", f"/unit_nodes?unit_uuid={uuid}", "alice"))["unit_nodes"]
    by_type = {node["type"]: node["uuid"] for node in nodes}
    edge = {"node_output_uuid": by_type["Output"], "node_input_uuid": by_type["Input"]}
    path = "/unit_nodes/create_unit_node_edge"
    created = await life.ask("POST", path, "alice", json=edge)
    assert created.status == 201
    assert created.json == edge | {"uuid": created.json["uuid"]}
    turned = {"node_output_uuid": by_type["Input"], "node_input_uuid": by_type["Output"]}
    for again in (edge, turned):
        reply = await life.ask("POST", path, "alice", json=again)
        assert reply.detail.startswith("422: 8: UnitNode Validation Error: ")


async def test_w4_a_level_that_is_none_is_refused_before_the_store(life):
    uuid = (await life.device())["uuid"]
    for level in ("Loud", "Info'%20OR%201=1%20--"):
        reply = await life.ask("GET", f"/units/log_list/?uuid={uuid}&level={level}", "lamp")
        assert (reply.status, reply.detail[0]["loc"]) == (422, ["query", "level", 0])


async def test_logs_are_listed_newest_first(life):
    uuid = UnitId(UUID((await life.device())["uuid"]))
    now = life.platform.clock()
    entries = [
        UnitLog(uuid, level, level.value, now - timedelta(minutes=age), now + timedelta(days=1))
        for age, level in enumerate((LogLevel.INFO, LogLevel.ERROR))
    ]
    await life.platform.logs.append(entries)

    async def texts(query: str) -> list[str]:
        logs = await life.done("GET", f"/units/log_list/?uuid={uuid}&{query}", "lamp")
        assert logs["count"] >= len(logs["unit_logs"])
        return [entry["text"] for entry in logs["unit_logs"]]

    assert await texts("") == ["Info", "Error"]
    assert await texts("order_by_create_date=asc&limit=1") == ["Error"]
    assert await texts("level=Error") == ["Error"]
    assert await texts("level=Error&level=Info&level=Debug") == ["Info", "Error"]
    assert await texts("level=Warning&level=Critical") == []
    missing = await life.ask("GET", "/units/log_list/", "lamp")
    assert missing.detail[0] == {
        "type": "missing",
        "loc": ["query", "uuid"],
        "msg": "Field required",
        "input": None,
    }


async def test_the_broker_is_always_answered_allow_or_deny(life):
    uuid = (await life.device())["uuid"]
    own = f"{FACTS.domain}/output_base_topic/{uuid}/state/pepeunit"

    async def verdict(token: str | None, topic: str, **more: str) -> dict:
        body = {"token": token or "", "topic": topic} | more
        reply = await life.ask("POST", "/units/auth", "garbage", json=body)
        assert reply.status == 200
        return reply.json

    token = life.tokens["lamp"]
    assert await verdict(token, own) == {"result": "allow"}
    assert await verdict(token, own, action="publish") == {"result": "allow"}
    assert await verdict(token, own, action="subscribe") == {"result": "deny"}
    foreign = f"elsewhere.example/output_base_topic/{uuid}/state/pepeunit"
    for refused in (
        (token, foreign),
        (token, own.replace(uuid, str(uuid4()))),
        (token, "#"),
        ("garbage", own),
        ("", own),
        (life.tokens["alice"], own),
    ):
        assert await verdict(*refused) == {"result": "deny"}


async def test_the_census_counts_what_is_there(life):
    assert await life.done("GET", "/metrics", "none") == {
        "user_count": 3,
        "repository_registry_count": 0,
        "repo_count": 0,
        "unit_count": 0,
        "unit_node_count": 0,
        "unit_node_edge_count": 0,
    }


async def test_dates_of_every_answer_are_naive_utc_with_six_digits(life):
    await life.device()
    for path in ("/users", "/repository_registry", "/repos", "/units", "/unit_nodes"):
        content = (await life.ask("GET", path, "alice")).content.decode()
        found = [
            text
            for item in next(v for k, v in json.loads(content).items() if k != "count")
            for name, text in item.items()
            if name.endswith("_datetime") and text is not None
        ]
        assert found
        assert all(re.fullmatch(DATE, text) for text in found)

"""Rollouts, uploads and README generation over REST."""

from __future__ import annotations

import aiohttp
import pytest

from pepeunit.codecs.rest.multipart import PARTS_MAX
from tests.doors.http.serving import API

RULE = {"stages": ["1", "50%"], "failures_max": 2, "window_seconds": 600}
README = "/units/convert_toml_to_md"


def form(content: bytes = b"", name: str = "file") -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field(name, content, filename="any.bin", content_type="application/x")
    return data


async def a_repo(life) -> str:
    return (await life.device())["repo_uuid"]


async def test_a_rule_is_stored_and_shown(life):
    at = f"/repos/rollout/{await a_repo(life)}"
    empty = {"rule": None, "latest": None, "stages": [], "failures": [], "history": []}
    assert await life.done("GET", at, "alice") == empty
    rule = {**RULE, "pause_seconds": 0}
    answer = await life.done("PATCH", at, "alice", json=RULE)
    assert answer["rule"] == rule
    assert (await life.done("GET", at, "alice"))["rule"] == rule


async def test_a_bad_rule_answers_code_11_with_every_violation(life):
    at = f"/repos/rollout/{await a_repo(life)}"
    body = {"stages": ["0%", "x"], "failures_max": 0}
    reply = await life.ask("PATCH", at, "alice", json=body)
    assert (reply.status, reply.detail[:23]) == (422, "422: 11: Update Error: ")
    assert all(part in reply.detail for part in ("stages[0]", "stages[1]", "failures_max"))


async def test_a_rollout_is_steered_and_shown(life):
    unit = await life.device()
    at = f"/repos/rollout/{unit['repo_uuid']}"
    for step in ("pause", "resume", "stop", "return"):
        assert (await life.ask("POST", f"{at}/{step}", "alice")).detail.startswith("422: 2: ")
    body = {"is_auto_update_repo": False, "default_branch": "main", "default_commit": "a" * 40}
    await life.done("PATCH", f"/repos/{unit['repo_uuid']}", "alice", json=body)
    answer = await life.done("GET", at, "alice")
    latest = answer["latest"]
    assert (latest["commit"], latest["state"], latest["rule_source"]) == (
        "a" * 40,
        "Running",
        "Default",
    )
    assert answer["stages"] == [
        {
            "units": 1,
            "waiting": 0,
            "updating": 1,
            "succeeded": 0,
            "failed": 0,
            "returned": 0,
            "offline": 0,
        }
    ]
    assert (await life.done("POST", f"{at}/pause", "alice"))["latest"]["state"] == "Paused"
    again = await life.ask("POST", f"{at}/pause", "alice")
    assert (again.status, again.detail[:23]) == (422, "422: 11: Update Error: ")
    button = f"/repos/update_units_firmware/{unit['repo_uuid']}"
    assert (await life.ask("PATCH", button, "alice")).detail[:23] == "422: 11: Update Error: "
    assert (await life.done("POST", f"{at}/resume", "alice"))["latest"]["state"] == "Running"
    assert (await life.done("POST", f"{at}/stop", "alice"))["latest"]["state"] == "Stopped"
    returned = await life.done("POST", f"{at}/return", "alice")
    assert returned["latest"]["state"] == "Returned"
    assert returned["history"] == [returned["latest"]]


@pytest.mark.parametrize("step", ["", "/pause", "/resume", "/stop", "/return"])
async def test_only_the_creator_sees_and_steers_a_rollout(life, step):
    at = f"/repos/rollout/{await a_repo(life)}{step}"
    for who in ("none", "bert", "root", "lamp", "backend"):
        assert (await life.ask("POST" if step else "GET", at, who)).status == 403


async def test_a_toml_file_becomes_a_readme(life):
    reply = await life.ask("POST", README, "bert", data=form(b'[general]\nname = "Lamp"\n'))
    assert (reply.status, reply.content) == (200, b"# Lamp\n")
    assert reply.headers["Content-Type"] == "text/markdown; charset=utf-8"
    empty = await life.ask("POST", README, "bert", data=form())
    assert empty.content == b"\n"
    await life.device()
    for who in ("none", "lamp", "backend"):
        assert (await life.ask("POST", README, who, data=form())).status == 403
    bad = await life.ask("POST", README, "bert", data=form(b"name ="))
    assert bad.detail.startswith("422: 16: Readme Generation Error: ")
    large = await life.ask("POST", README, "bert", data=form(b"#" * 70_000))
    assert large.status == 413


async def test_an_upload_needs_its_part_by_name(life):
    async def told(**options) -> tuple[int, str, list]:
        reply = await life.ask("POST", README, "bert", **options)
        return reply.status, reply.detail[0]["type"], reply.detail[0]["loc"]

    assert await told(data=form(name="data")) == (422, "missing", ["body", "file"])
    assert await told(json={}) == (422, "model_attributes_type", ["body"])
    assert await told(data=b"") == (422, "model_attributes_type", ["body"])
    broken = {"Content-Type": "multipart/form-data"}
    assert (await told(data=b"x", headers=broken))[1] == "model_attributes_type"
    broken = {"Content-Type": "multipart/form-data; boundary=b"}
    for body in (b"", b"--b--", b"--b\r\n\r\n", b"--b\r\nContent-Disposition: name=\r\n\r\nx"):
        assert (await told(data=body, headers=broken))[1] == "missing"
    many = b"".join(b"\r\n--b\r\n\r\n" for _ in range(PARTS_MAX * 2))
    assert (await told(data=many, headers=broken))[1] == "missing"


async def test_a_file_arrives_byte_for_byte(life):
    content = "# \r\n# --x\r\n\n# ы\n[general]\r\nname = '''a  \r\n b'''\r\n\r\n".encode()
    reply = await life.ask("POST", README, "bert", data=form(content))
    assert reply.content == b"# a<br>b\n"


async def test_the_document_shows_an_upload(life):
    paths = (await life.ask("GET", "/openapi.json")).json["paths"]
    content = paths[f"{API}{README}"]["post"]["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"]["required"] == ["file"]

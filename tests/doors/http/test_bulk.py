"""Many devices at once over REST: tables, selections, exported files."""

from __future__ import annotations

import io
import json

import aiohttp
import pytest

COLUMNS = "name,visibility_level,repo_uuid,is_auto_update_from_repo_unit\n"
CSV, IMPORT, EXPORT = "/units/import_csv", "/units/import", "/units/export"
ABSENT = "00000000-0000-0000-0000-000000000001"


def form(content: bytes | str) -> aiohttp.FormData:
    data = aiohttp.FormData()
    body = content.encode() if isinstance(content, str) else content
    data.add_field("file", body, filename="any", content_type="text/csv")
    return data


async def a_repo(life) -> str:
    return (await life.repo((await life.registry())["uuid"]))["uuid"]


async def count(life) -> int:
    return (await life.done("GET", "/units", "alice"))["count"]


async def test_a_table_makes_all_its_units(life):
    repo = await a_repo(life)
    table = COLUMNS + f"lamp-01,Public,{repo},\n\nlamp-02, Private ,{repo},TRUE\n"
    dry = await life.done("POST", f"{CSV}?dry_run=true", "alice", data=form(table))
    assert (dry["is_dry_run"], dry["count"], dry["violations"]) == (True, 2, [])
    assert {unit["uuid"] for unit in dry["units"]} == {None}
    assert await count(life) == 0
    made = await life.done("POST", CSV, "alice", data=form("\ufeff" + table.replace("\n", "\r\n")))
    assert [unit["name"] for unit in made["units"]] == ["lamp-01", "lamp-02"]
    unit = await life.done("GET", f"/units/{made['units'][0]['uuid']}", "alice")
    assert unit["built_commit"] is not None
    assert "PU_AUTH_TOKEN" in await life.done("GET", f"/units/env/{unit['uuid']}", "alice")


async def test_one_bad_row_makes_none_and_every_violation_names_row_and_column(life):
    repo = await a_repo(life)
    await life.unit(repo, name="taken")
    table = COLUMNS + "".join(
        f"{row}\n"
        for row in (
            f"fine-01,Public,{repo},",
            f"x,Public,{repo},",
            f"lamp-02,Pubic,{repo}1,maybe",
            f"taken,Public,{repo},",
            f"twin-1,Public,{repo},",
            f"twin-1,Public,{repo},false",
            f"lamp-03,Public,{ABSENT},",
            "lamp-04,Public",
        )
    )
    reply = await life.ask("POST", CSV, "alice", data=form(table))
    assert (reply.status, reply.detail[:31]) == (422, "422: 7: Unit Validation Error: ")
    dry = await life.done("POST", f"{CSV}?dry_run=true", "alice", data=form(table))
    places = [violation["place"] for violation in dry["violations"]]
    assert sorted(places) == [
        "row 3, name",
        "row 4, is_auto_update_from_repo_unit",
        "row 4, repo_uuid",
        "row 4, visibility_level",
        "row 5, name",
        "row 6, name",
        "row 7, name",
        "row 7, repo_branch",
        "row 7, repo_commit",
        "row 8",
        "row 9",
    ]
    assert all(violation["message"] in reply.detail for violation in dry["violations"])
    assert [unit["place"] for unit in dry["units"]] == ["row 2"]
    assert await count(life) == 1


@pytest.mark.parametrize(
    "table",
    ["", "name\n", f"{COLUMNS.strip()},color\n", f"{COLUMNS.strip()},name\n", b"\xff", '"a'],
)
async def test_a_file_that_is_no_such_table_is_refused(life, table):
    reply = await life.ask("POST", CSV, "alice", data=form(table))
    assert (reply.status, reply.detail[:31]) == (422, "422: 7: Unit Validation Error: ")


async def test_a_selection_gets_a_command_with_a_result_for_each(life):
    unit = await life.device()
    body = {"command": "EnvUpdate", "uuids": [unit["uuid"], ABSENT, unit["uuid"]]}
    results = await life.done("POST", "/units/bulk_command", "alice", json=body)
    assert [(one["uuid"], one["is_queued"]) for one in results] == [
        (unit["uuid"], True),
        (ABSENT, False),
    ]
    assert results[1]["error"] == "unit not found"
    body = {"command": "Update", "filter": {"repo_uuid": unit["repo_uuid"]}}
    results = await life.done("POST", "/units/bulk_command", "alice", json=body)
    assert [one["uuid"] for one in results] == [unit["uuid"]]
    assert await life.done("POST", "/units/bulk_command", "bert", json=body) == []
    assert await life.done("POST", "/units/bulk_command", "alice", json={"command": "Update"}) == []
    body = {"command": "LogSync", "uuids": [unit["uuid"]]}
    (refused,) = await life.done("POST", "/units/bulk_command", "alice", json=body)
    assert "log_sync/pepeunit" in refused["error"]


async def exported(life) -> dict:
    repo = await a_repo(life)
    one, two = [await life.unit(repo, name=name) for name in ("lamp-01", "lamp-02")]
    listed = (await life.done("GET", "/unit_nodes", "alice"))["unit_nodes"]
    ends = {(node["unit_uuid"], node["type"]): node["uuid"] for node in listed}
    body = {"max_connections": 3, "visibility_level": "Internal"}
    await life.done("PATCH", f"/unit_nodes/{ends[one['uuid'], 'Output']}", "alice", json=body)
    edge = {
        "node_output_uuid": ends[one["uuid"], "Output"],
        "node_input_uuid": ends[two["uuid"], "Input"],
    }
    await life.done("POST", "/unit_nodes/create_unit_node_edge", "alice", json=edge)
    return await life.done("GET", EXPORT, "alice")


async def test_an_export_holds_no_secret_and_comes_back_as_it_was(life):
    document = await exported(life)
    env = await life.done(
        "GET",
        f"/units/env/{(await life.done('GET', '/units', 'alice'))['units'][0]['uuid']}",
        "alice",
    )
    text = json.dumps(document)
    for name in ("PU_AUTH_TOKEN", "PU_SECRET_KEY", "PU_ENCRYPT_KEY"):
        assert env[name] not in text
    assert (document["format"], document["version"]) == ("pepeunit-units", 1)
    taken = await life.ask("POST", IMPORT, "alice", data=form(json.dumps(document)))
    assert "units[0], name: is taken" in taken.detail
    for unit in (await life.done("GET", "/units", "alice"))["units"]:
        await life.done("DELETE", f"/units/{unit['uuid']}", "alice")
    made = await life.done("POST", IMPORT, "alice", data=form(json.dumps(document)))
    assert made["count"] == 2
    assert await life.done("GET", EXPORT, "alice") == document
    assert (await life.done("GET", f"{EXPORT}?search_string=lamp-02", "alice"))["edges"] == []
    assert (await life.done("GET", EXPORT, "bert"))["units"] == []


async def test_a_broken_export_makes_nothing_and_every_violation_has_its_place(life):
    document = await exported(life)
    before = await count(life)
    for number, unit in enumerate(document["units"]):
        unit["name"] = f"copy-{number}"
    document["units"][0]["nodes"][0] |= {"max_connections": 0, "topic_name": "no/pepeunit"}
    document["edges"][0]["input"]["unit"] = "nobody"
    reply = await life.ask("POST", IMPORT, "alice", data=form(json.dumps(document)))
    for part in ("units[0].nodes[0]: the program has no", "max_connections", "edges[0].input"):
        assert part in reply.detail
    document["units"] = [{"name": 5, "nodes": [{"max_connections": True}]}, 7]
    document["edges"] = [{"output": "x"}]
    reply = await life.ask("POST", IMPORT, "alice", data=form(json.dumps(document)))
    for part in ("units[0].name", "units[0].repo_uuid", "units[1]", "edges[0].output"):
        assert part in reply.detail
    assert await count(life) == before


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format":"pepeunit-units","version":2}', b"[" * 100_000]
)
async def test_a_file_of_another_form_is_refused(life, content):
    assert (await life.ask("POST", IMPORT, "alice", data=form(content))).status == 422


async def test_bulk_is_for_users(life):
    await life.device()
    for who in ("none", "lamp", "backend"):
        for path in (CSV, IMPORT):
            assert (await life.ask("POST", path, who, data=form(b""))).status == 403
        assert (await life.ask("GET", EXPORT, who)).status == 403
        body = {"command": "Update", "uuids": []}
        assert (await life.ask("POST", "/units/bulk_command", who, json=body)).status == 403
    large = await life.ask("POST", CSV, "alice", data=io.BytesIO(b"x" * 1_100_000))
    assert large.status == 413

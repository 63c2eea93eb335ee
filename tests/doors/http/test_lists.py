"""Paging, filters and orders of the lists (spec rest.md 3)."""

from __future__ import annotations

from uuid import uuid4

import pytest

LISTS = ("/users", "/repository_registry", "/repos", "/units", "/unit_nodes")


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_is_bounded_and_no_limit_means_every_row(life, path):
    await life.device()

    async def ask(query: str):
        return await life.ask("GET", f"{path}?{query}", "alice")

    assert ((await ask("limit=501")).status, (await ask("limit=501")).detail) == (
        422,
        "limit must be <= 500",
    )
    assert (await ask("limit=-1")).detail == "limit must be >= 0"
    assert (await ask("offset=-1")).detail == "offset must be >= 0"
    (name,) = set((await ask("")).json) - {"count"}
    whole = (await ask("")).json
    assert len(whole[name]) == whole["count"] > 0
    assert (await ask("limit=0")).json == whole
    assert (await ask("is_bot_auth=false&nonsense=%00")).json == whole
    first = (await ask("limit=1")).json
    assert (first["count"], first[name]) == (whole["count"], whole[name][:1])
    past = (await ask("offset=1000&limit=5")).json
    assert past == {"count": whole["count"], name: []}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", ["order_by_create_date", "uuids", "limit"])
async def test_an_empty_filter_is_a_violation(life, path, name):
    reply = await life.ask("GET", f"{path}?{name}=", "alice")
    assert (reply.status, reply.detail[0]["loc"][:2]) == (422, ["query", name])


async def test_unknown_values_of_closed_filters_are_refused(life):
    for path in (
        "/users?role=Root",
        "/users?status=blocked",
        "/repos?visibility_level=public",
        "/units?visibility_level=x' OR 1=1",
        "/unit_nodes?type=Both",
        f"/units/log_list/?uuid={uuid4()}&level=x'); DROP TABLE users",
    ):
        reply = await life.ask("GET", path.replace(" ", "%20"), "alice")
        assert (reply.status, reply.detail[0]["type"]) == (422, "enum")


async def test_lists_are_newest_first_and_given_orders_lead(life):
    repo = (await life.device(name="cccc"))["repo_uuid"]
    for name in ("bbbb", "aaaa"):
        await life.unit(repo, name=name)

    async def names(query: str) -> list[str]:
        units = (await life.done("GET", f"/units?{query}", "alice"))["units"]
        return [unit["name"] for unit in units]

    assert await names("") == ["aaaa", "bbbb", "cccc"]
    assert await names("order_by_create_date=asc") == ["cccc", "bbbb", "aaaa"]
    assert await names("order_by_unit_name=desc") == ["cccc", "bbbb", "aaaa"]
    every = "order_by_unit_name=desc&order_by_create_date=desc&order_by_last_update=desc"
    assert await names(every) == ["aaaa", "bbbb", "cccc"]


async def test_filters_narrow_and_repeat(life):
    lamp = await life.device()
    fan = await life.unit(lamp["repo_uuid"], name="fan1", visibility_level="Internal")

    async def count(path: str, who: str = "alice") -> int:
        return (await life.done("GET", path, who))["count"]

    assert await count(f"/units?uuids={lamp['uuid']}&uuids={fan['uuid']}") == 2
    assert await count(f"/units?uuids={uuid4()}") == 0
    assert await count("/units?search_string=LAM") == 1
    assert await count("/units?search_string=%25") == 0
    assert await count("/units?visibility_level=Internal") == 1
    assert await count("/units?visibility_level=Internal&visibility_level=Public") == 2
    assert await count("/units", "none") == 1
    assert await count(f"/units?repo_uuid={lamp['repo_uuid']}&repos_uuids={uuid4()}") == 0
    assert await count("/unit_nodes?type=Input") == 2
    assert await count("/unit_nodes?type=Input&type=Output") == 4
    assert await count(f"/unit_nodes?unit_uuid={fan['uuid']}") == 2
    assert await count("/users?role=Admin") == 1
    assert await count("/users?status=Verified&status=Blocked") == 0
    assert await count("/users?status=Unverified&role=User") == 2
    assert await count("/repos?is_auto_update_repo=no") == 0
    assert await count("/repository_registry?is_public_repository=1&search_string=program") == 1


async def test_units_come_with_the_nodes_asked_for(life):
    lamp = await life.device()
    hidden = await life.unit(lamp["repo_uuid"], name="hidden", visibility_level="Private")
    nodes = (await life.done("GET", f"/unit_nodes?unit_uuid={lamp['uuid']}", "alice"))["unit_nodes"]
    by_type = {node["type"]: node["uuid"] for node in nodes}

    async def find(query: str, who: str = "none") -> dict[str, list[str]]:
        path = f"/units?is_include_output_unit_nodes=true&{query}"
        units = (await life.done("GET", path, who))["units"]
        return {unit["name"]: [node["type"] for node in unit["unit_nodes"]] for unit in units}

    assert {k: sorted(v) for k, v in (await find("")).items()} == {"lamp": ["Input", "Output"]}
    assert await find("unit_node_type=Output") == {"lamp": ["Output"]}
    output = by_type["Output"]
    orders = "order_by_unit_name=asc&order_by_create_date=desc&order_by_last_update=desc"
    asked = f"{orders}&limit=100&offset=0&unit_node_uuids={output}&unit_node_uuids={uuid4()}"
    assert await find(asked) == {"lamp": ["Output"]}
    plain = (await life.done("GET", f"/units?unit_node_uuids={uuid4()}", "none"))["units"]
    assert [unit["unit_nodes"] for unit in plain] == [[]]
    assert set(await find("", "alice")) == {"lamp", "hidden"}
    assert hidden["visibility_level"] == "Private"

    edge = {"node_output_uuid": output, "node_input_uuid": by_type["Input"]}
    created = await life.ask("POST", "/unit_nodes/create_unit_node_edge", "alice", json=edge)
    assert created.status == 201
    feeding = f"unit_node_input_uuid={by_type['Input']}&unit_node_type=Input"
    assert await find(feeding) == {"lamp": ["Output"]}
    fed = await life.done("GET", f"/unit_nodes?output_uuid={output}", "none")
    assert [node["uuid"] for node in fed["unit_nodes"]] == [by_type["Input"]]


async def test_branch_commits_refuse_a_page_out_of_range_in_the_list_form(life):
    uuid = (await life.registry())["uuid"]
    path = f"/repository_registry/branch_commits/{uuid}"
    reply = await life.ask("GET", f"{path}?repo_branch=main&limit=501&offset=-1", "alice")
    assert reply.status == 422
    assert {(v["type"], v["loc"][1]) for v in reply.detail} == {
        ("less_than_equal", "limit"),
        ("greater_than_equal", "offset"),
    }
    assert (await life.done("GET", f"{path}?repo_branch=main&limit=0", "alice")) == []
    commits = await life.done("GET", f"{path}?repo_branch=main&limit=1", "alice")
    assert commits == [{"commit": "b" * 40, "summary": "Blink faster", "tag": "v2"}]
    gone = await life.ask("GET", f"{path}?repo_branch=gone", "alice")
    assert gone.detail.startswith("422: 5: Git Repo Validation Error: ")

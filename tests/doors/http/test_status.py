"""Who may call what: method, path and agent against the status of the answer.

N no token, U a stranger, O the owner, D the unit itself, E another unit, A an administrator,
B the platform. ``-`` stands for 403, ``2`` for the 422 code 2 of an invisible or absent object,
other letters for success.
"""

from __future__ import annotations

from uuid import uuid4

import pytest

AGENTS = {
    "N": "none",
    "U": "bert",
    "O": "alice",
    "D": "lamp",
    "E": "other",
    "A": "root",
    "B": "backend",
}
EVERYWHERE = """
                                                            N  U  O  D  E  A  B
GET    /users                                               -  ok ok -  -  ok -
GET    /users/{alice}                                       -  ok ok -  -  ok -
GET    /users/{absent}                                      -  2  2  -  -  2  -
PATCH  /users/block/{absent}                                -  -  -  -  -  2  -
PATCH  /users/unblock/{absent}                              -  -  -  -  -  2  -
POST   /users/sign_out/{absent}                             -  -  -  -  -  2  -
GET    /users/invites                                       -  -  -  -  -  ok -
POST   /users/invites                                       -  -  -  -  -  ok -
DELETE /users/invites/{absent}                              -  -  -  -  -  2  -
DELETE /users/{alice}?transfer_to={absent}                  -  -  3  -  -  3  -
DELETE /users/{absent}                                      -  -  -  -  -  2  -
GET    /users/api_tokens                                    -  ok ok -  -  ok -
DELETE /users/api_tokens/{absent}                           -  2  2  -  -  2  -
GET    /audit                                               -  ok ok -  -  ok -
PATCH  /users/{absent}                                      -  ok ok -  -  ok -
PATCH  /users/me                                            -  ok ok -  -  ok -
PATCH  /users/{alice}                                       -  -  ok -  -  -  -
GET    /repository_registry                                 ok ok ok -  -  ok -
GET    /repository_registry/{registry}                      ok ok ok -  -  ok -
GET    /repository_registry/{private_registry}              2  ok ok -  -  ok -
GET    /repository_registry/{absent}                        2  2  2  -  -  2  -
GET    /repository_registry/branch_commits/{registry}?repo_branch=main   -  ok ok -  -  ok -
GET    /repository_registry/branch_commits/{private_registry}?repo_branch=main - - ok - - - -
GET    /repository_registry/get_credentials/{private_registry} -  ok ok -  -  ok -
PATCH  /repository_registry/update_local_repository/{private_registry} - - 13 - - - -
PATCH  /repository_registry/backend_sync_registry           -  -  -  -  -  -  ok
GET    /repository_registry/webhook/{registry}              -  -  ok -  -  -  -
DELETE /repository_registry/{registry}                      -  -  2  -  -  -  -
GET    /repos                                               ok ok ok -  -  ok -
GET    /repos/{repo}                                        ok ok ok ok ok ok -
GET    /repos/{absent}                                      2  2  2  2  2  2  -
GET    /repos/versions/{repo}                               ok ok ok -  -  ok -
GET    /repos/available_platforms/{repo}                    -  ok ok -  -  ok -
PATCH  /repos/{repo}                                        -  -  ok -  -  -  -
PATCH  /repos/update_units_firmware/{repo}                  -  -  ok -  -  -  -
POST   /repos/bulk_update                                   -  -  -  -  -  ok -
DELETE /repos/{repo}                                        -  -  2  -  -  -  -
GET    /units                                               ok ok ok ok ok ok -
GET    /units/{unit}                                        ok ok ok ok ok ok -
GET    /units/{private_unit}                                2  2  ok 2  2  ok -
GET    /units/{absent}                                      2  2  2  2  2  2  -
PATCH  /units/{unit}                                        -  -  ok -  -  -  -
GET    /units/env/{unit}                                    -  -  ok ok -  -  -
GET    /units/env/{private_unit}                            -  2  ok 2  2  -  -
DELETE /units/env/{unit}                                    -  -  ok -  -  -  -
GET    /units/get_target_version/{unit}                     -  -  ok ok -  -  -
GET    /units/get_current_schema/{unit}                     -  -  ok ok -  -  -
GET    /units/firmware/zip/{unit}                           -  -  ok ok -  -  -
GET    /units/firmware/tar/{unit}                           -  -  ok ok -  -  -
GET    /units/firmware/tgz/{unit}                           -  -  ok ok -  -  -
GET    /units/firmware_asset/{unit}                         -  -  7  7  -  -  -
GET    /units/firmware_asset/{private_unit}                 -  2  7  2  2  -  -
GET    /units/get_state_storage/{unit}                      -  -  ok ok -  -  -
POST   /units/send_command_to_input_base_topic/{unit}?command=EnvUpdate - - ok ok - - -
POST   /units/send_command_to_input_base_topic/{unit}?command=LogSync - - 7 7 - - -
POST   /units/rotate_token/{private_unit}                   -  2  ok -  -  -  -
POST   /units/rotate_token/{unit}                           -  -  ok -  -  -  -
GET    /units/log_list/?uuid={unit}                         -  -  ok ok -  -  -
GET    /unit_nodes                                          ok ok ok ok ok ok -
GET    /unit_nodes/{input}                                  ok ok ok ok ok ok -
GET    /unit_nodes/{absent}                                 2  2  2  2  2  2  -
PATCH  /unit_nodes/{input}                                  -  -  ok -  -  -  -
PATCH  /unit_nodes/set_state_input/{input}                  -  -  ok ok -  -  -
PATCH  /unit_nodes/set_state_input/{output}                 -  8  8  8  8  8  -
GET    /unit_nodes/access/{input}                           ok ok ok ok ok ok -
GET    /unit_nodes/access/{absent}                          2  2  2  2  2  2  -
GET    /unit_nodes/access/{input}?agent_type=User&agent_uuid={alice} - - ok - - ok -
GET    /unit_nodes/access/{input}?agent_type=User&agent_uuid={absent} - - 2 - - 2 -
GET    /unit_nodes/access/{input}?agent_type=Repo&agent_uuid={absent} 4 4 4 4 4 4 -
GET    /unit_nodes/access/{input}?agent_type=User           4  4  4  4  4  4  4
GET    /unit_nodes/access_list/{input}                      -  -  ok -  -  ok -
GET    /unit_nodes/access_list/{absent}                     -  2  2  -  -  2  -
GET    /units/link_check                                    -  ok ok -  -  ok -
GET    /events?nodes={input}                                ok ok ok ok ok ok -
GET    /events?nodes={absent}                               2  2  2  2  2  2  -
GET    /events?units={private_unit}                         2  2  ok 2  2  ok -
GET    /events?units={unit}&kinds=unit_log                  -  -  ok ok -  -  -
GET    /events?registries={private_registry}                2  ok ok -  -  ok -
GET    /events?repos={repo}                                 -  -  ok -  -  -  -
GET    /unit_nodes/edges                                    ok ok ok ok ok ok -
DELETE /unit_nodes/delete_unit_node_edge?{ends} - 2 2 - - 2 -
DELETE /unit_nodes/delete_unit_node_edge?{absent_ends} - 2 2 - - 2 -
GET /permission/get_resource_agents?resource_uuid={unit}&resource_type=Unit - - ok - - - -
GET /permission/get_resource_agents?resource_uuid={private_unit}&resource_type=Unit - 2 ok - - - -
GET /permission/get_resource_agents?resource_uuid={unit}&resource_type=User - 4 4 - - 4 -
DELETE /permission/x?agent_uuid={unit}&resource_uuid={unit} - - 4 4 - - -
DELETE /permission/x?agent_uuid={absent}&resource_uuid={private_unit} - 2 2 2 2 - -
DELETE /permission/x?agent_uuid={absent}&resource_uuid={absent} - 2 2 2 2 2 -
GET    /metrics/                                            ok ok ok ok ok ok -
"""


def _cases() -> list[tuple[str, str, str, str]]:
    letters, *rows = [line.split() for line in EVERYWHERE.strip().split("\n")]
    return [
        (method, path, letter, expected)
        for method, path, *expectations in rows
        for letter, expected in zip(letters, expectations, strict=True)
    ]


def _expectation(reply) -> str:
    if reply.status in (200, 201, 204):
        return "ok"
    if reply.status == 403:
        assert reply.detail.startswith("403: 1: No Access: ")
        return "-"
    status, code, _ = reply.detail.split(": ", 2)
    assert (reply.status, status) == (422, "422")
    return code


@pytest.fixture
async def things(life) -> dict[str, str]:
    lamp = await life.device()
    await life.unit(lamp["repo_uuid"], name="other", who="root")
    secret = await life.unit(lamp["repo_uuid"], name="secret", visibility_level="Private")
    private = await life.registry(
        name="private",
        is_public_repository=False,
        credentials={"username": "alice", "pat_token": "glpat-right"},
    )
    nodes = (await life.done("GET", f"/unit_nodes?unit_uuid={lamp['uuid']}", "alice"))["unit_nodes"]
    by_type = {node["type"].lower(): node["uuid"] for node in nodes}
    users = (await life.done("GET", "/users?search_string=alice", "alice"))["users"]
    repo = await life.done("GET", f"/repos/{lamp['repo_uuid']}", "alice")
    return {
        "absent": (absent := str(uuid4())),
        "absent_ends": f"node_output_uuid={absent}&node_input_uuid={absent}",
        "ends": f"node_output_uuid={by_type['output']}&node_input_uuid={by_type['input']}",
        "alice": users[0]["uuid"],
        "registry": repo["repository_registry_uuid"],
        "private_registry": private["uuid"],
        "repo": repo["uuid"],
        "unit": lamp["uuid"],
        "private_unit": secret["uuid"],
        **by_type,
    }


async def test_every_agent_gets_the_status_of_the_table(life, things):
    found = []
    for method, path, letter, expected in _cases():
        body = {"json": {}} if method in ("PATCH", "POST") else {}
        reply = await life.ask(method, path.format(**things), AGENTS[letter], **body)
        actual = _expectation(reply)
        if actual != expected:
            found.append(f"{method} {path} as {letter}: {actual}, not {expected}")
    assert not found, "\n".join(found)


CREATING = {
    "/users": {"login": "carol", "password": "Correct-horse1"},
    "/users/auth": {"credentials": "alice", "password": "Correct-horse1"},
    "/repository_registry": {
        "platform": "Gitlab",
        "repository_url": "https://forge.example/x.git",
        "is_public_repository": True,
    },
    "/repos": {
        "repository_registry_uuid": str(uuid4()),
        "default_branch": "main",
        "visibility_level": "Public",
        "name": "blinker",
        "is_compilable_repo": False,
    },
    "/units": {
        "repo_uuid": str(uuid4()),
        "visibility_level": "Public",
        "name": "lamp",
        "is_auto_update_from_repo_unit": True,
    },
    "/unit_nodes/create_unit_node_edge": {
        "node_output_uuid": str(uuid4()),
        "node_input_uuid": str(uuid4()),
    },
    "/permission": {
        "agent_uuid": str(uuid4()),
        "agent_type": "User",
        "resource_uuid": str(uuid4()),
        "resource_type": "Unit",
    },
}


@pytest.mark.parametrize("path", CREATING)
async def test_only_the_right_kind_of_agent_may_create(life, things, path):
    refused = {"/users": ("bert", "lamp"), "/users/auth": ("bert", "lamp")}
    for who in refused.get(path, ("none", "lamp", "backend")):
        reply = await life.ask("POST", path, who, json=CREATING[path])
        assert (reply.status, reply.detail[:18]) == (403, "403: 1: No Access:")


OF_ONE = """
GET    /unit_nodes/{}
PATCH  /unit_nodes/{}
PATCH  /unit_nodes/set_state_input/{}
GET    /units/env/{}
PATCH  /units/env/{}
DELETE /units/env/{}
GET    /units/get_current_schema/{}
GET    /units/firmware/zip/{}
GET    /units/firmware/tar/{}
GET    /units/firmware/tgz/{}
GET    /units/firmware_asset/{}
GET    /units/get_state_storage/{}
"""


async def test_o24_an_unknown_uuid_is_told_as_such_and_is_no_bug(life, things):
    for line in OF_ONE.strip().split("\n"):
        method, path = line.split()
        kind = "unit" if path.startswith("/units/") else "node"
        body = {"json": {"env_json_string": "{}"}} if method == "PATCH" else {}
        reply = await life.ask(method, path.format(things["absent"]), "alice", **body)
        told = f"422: 2: Validation Error: {kind} not found"
        assert (reply.status, reply.detail) == (422, told), line


async def test_an_absent_and_an_invisible_object_look_alike(life, things):
    for path in ("/units/{}", "/units/env/{}"):
        hidden = await life.ask("GET", path.format(things["private_unit"]), "bert")
        absent = await life.ask("GET", path.format(things["absent"]), "bert")
        assert (hidden.status, hidden.content) == (absent.status, absent.content)

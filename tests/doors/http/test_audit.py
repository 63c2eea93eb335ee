"""Every change over REST leaves a row that tells who, what and from where (rulings 8)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from attrs import frozen

from pepeunit.domain.audit.entry import AuditEntry
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.push_hook import hook_secret
from pepeunit.entrypoints.http.route import Route
from pepeunit.ports.audit import AuditQuery
from tests.doors.http.piping import piped, records
from tests.doors.http.platform import SECRET, Platform

PASSWORD = "Correct-horse1"


@frozen
class Ask:
    """A call that succeeds; ``{names}`` in path, body and the uploaded file stand for uuids."""

    who: str
    path: str
    body: Mapping[str, Any] | None = None
    file: str | None = None
    part: str = "file"


TOKENLESS = {
    "login": "carol",
    "password": PASSWORD,
}
REQUESTS: Mapping[tuple[str, str], Ask] = {
    ("POST", "/users/invites"): Ask("root", "/users/invites", {}),
    ("DELETE", "/users/invites/{uuid}"): Ask("root", "/users/invites/{invite}"),
    ("POST", "/users/api_tokens"): Ask(
        "alice", "/users/api_tokens", {"name": "backup", "scope": "read"}
    ),
    ("DELETE", "/users/api_tokens/{uuid}"): Ask("alice", "/users/api_tokens/{api_token}"),
    ("PATCH", "/users/role/{uuid}"): Ask("root", "/users/role/{bert}", {"role": "Admin"}),
    ("POST", "/users/sign_out_everywhere"): Ask("bert", "/users/sign_out_everywhere"),
    ("POST", "/users/sign_out/{uuid}"): Ask("root", "/users/sign_out/{bert}"),
    ("DELETE", "/users/{uuid}"): Ask("alice", "/users/{alice}?transfer_to={bert}"),
    ("POST", "/users"): Ask("none", "/users", TOKENLESS),
    ("POST", "/users/auth"): Ask(
        "none", "/users/auth", {"credentials": "alice", "password": PASSWORD}
    ),
    ("PATCH", "/users/{uuid}"): Ask("bert", "/users/me", {"password": "Another-horse2"}),
    ("PATCH", "/users/block/{uuid}"): Ask("root", "/users/block/{bert}"),
    ("PATCH", "/users/unblock/{uuid}"): Ask("root", "/users/unblock/{bert}"),
    ("POST", "/repository_registry"): Ask(
        "bert",
        "/repository_registry",
        {
            "platform": "Gitlab",
            "repository_url": "https://forge.example/new.git",
            "is_public_repository": True,
        },
    ),
    ("PATCH", "/repository_registry/set_credentials/{uuid}"): Ask(
        "alice",
        "/repository_registry/set_credentials/{private_registry}",
        {"username": "alice", "pat_token": "glpat-right"},
    ),
    ("PATCH", "/repository_registry/update_local_repository/{uuid}"): Ask(
        "alice", "/repository_registry/update_local_repository/{registry}"
    ),
    ("PATCH", "/repository_registry/backend_sync_registry"): Ask(
        "backend", "/repository_registry/backend_sync_registry"
    ),
    ("DELETE", "/repository_registry/{uuid}"): Ask(
        "alice", "/repository_registry/{private_registry}"
    ),
    ("POST", "/repository_registry/webhook/{uuid}"): Ask(
        "none", "/repository_registry/webhook/{registry}", {}
    ),
    ("POST", "/repos"): Ask(
        "alice",
        "/repos",
        {
            "repository_registry_uuid": "{registry}",
            "default_branch": "main",
            "visibility_level": "Public",
            "name": "another",
            "is_compilable_repo": False,
        },
    ),
    ("PATCH", "/repos/{uuid}"): Ask("alice", "/repos/{repo}", {"name": "renamed"}),
    ("PATCH", "/repos/update_units_firmware/{uuid}"): Ask(
        "alice", "/repos/update_units_firmware/{repo}"
    ),
    ("PATCH", "/repos/rollout/{uuid}"): Ask("alice", "/repos/rollout/{repo}", {}),
    **{
        ("POST", f"/repos/rollout/{{uuid}}/{step}"): Ask(
            "alice", f"/repos/rollout/{{{repo}}}/{step}"
        )
        for step, repo in (
            ("pause", "moving_repo"),
            ("resume", "paused_repo"),
            ("stop", "moving_repo"),
            ("return", "moving_repo"),
        )
    },
    ("POST", "/repos/bulk_update"): Ask("root", "/repos/bulk_update"),
    ("DELETE", "/repos/{uuid}"): Ask("alice", "/repos/{empty_repo}"),
    ("POST", "/units"): Ask(
        "alice",
        "/units",
        {
            "repo_uuid": "{repo}",
            "visibility_level": "Public",
            "name": "second",
            "is_auto_update_from_repo_unit": True,
        },
    ),
    ("POST", "/units/import_csv"): Ask(
        "alice",
        "/units/import_csv",
        file="name,visibility_level,repo_uuid\nlamp-01,Public,{repo}\nlamp-02,Public,{repo}\n",
    ),
    ("POST", "/unit_nodes/set_data_pipe_config"): Ask(
        "alice",
        "/unit_nodes/set_data_pipe_config?uuid={piped}",
        file="{config}",
        part="data",
    ),
    ("POST", "/unit_nodes/set_data_pipe_data_csv"): Ask(
        "alice",
        "/unit_nodes/set_data_pipe_data_csv?uuid={piped}",
        file="state,create_datetime\n1,2025-03-01 00:00:00\n",
        part="data",
    ),
    ("DELETE", "/unit_nodes/delete_data_pipe_data/{uuid}"): Ask(
        "alice", "/unit_nodes/delete_data_pipe_data/{piped}"
    ),
    ("POST", "/units/import"): Ask("alice", "/units/import", file="{export}"),
    ("POST", "/units/bulk_command"): Ask(
        "alice", "/units/bulk_command", {"command": "Update", "uuids": ["{unit}", "{other}"]}
    ),
    ("PATCH", "/units/{uuid}"): Ask("alice", "/units/{unit}", {"name": "renamed"}),
    ("DELETE", "/units/{uuid}"): Ask("alice", "/units/{unit}"),
    ("PATCH", "/units/env/{uuid}"): Ask("alice", "/units/env/{unit}", {"env_json_string": "{{}}"}),
    ("DELETE", "/units/env/{uuid}"): Ask("alice", "/units/env/{unit}"),
    ("POST", "/units/set_state_storage/{uuid}"): Ask(
        "alice", "/units/set_state_storage/{unit}", {"state": "a secret state"}
    ),
    ("POST", "/units/send_command_to_input_base_topic/{uuid}"): Ask(
        "alice", "/units/send_command_to_input_base_topic/{unit}?command=EnvUpdate"
    ),
    ("POST", "/units/rotate_token/{uuid}"): Ask("alice", "/units/rotate_token/{unit}"),
    ("POST", "/units/revoke_token/{uuid}"): Ask("alice", "/units/revoke_token/{unit}"),
    ("PATCH", "/unit_nodes/{uuid}"): Ask(
        "alice", "/unit_nodes/{input}", {"is_rewritable_input": True}
    ),
    ("PATCH", "/unit_nodes/set_state_input/{uuid}"): Ask(
        "alice", "/unit_nodes/set_state_input/{input}", {"state": "on"}
    ),
    ("DELETE", "/unit_nodes/delete_unit_node_edge"): Ask(
        "alice",
        "/unit_nodes/delete_unit_node_edge?node_output_uuid={output}&node_input_uuid={other_input}",
    ),
    ("POST", "/permission"): Ask(
        "alice",
        "/permission",
        {
            "agent_uuid": "{root}",
            "agent_type": "User",
            "resource_uuid": "{unit}",
            "resource_type": "Unit",
        },
    ),
    ("DELETE", "/permission/{uuid}"): Ask(
        "alice", "/permission/any?agent_uuid={bert}&resource_uuid={unit}"
    ),
    ("POST", "/unit_nodes/create_unit_node_edge"): Ask(
        "alice",
        "/unit_nodes/create_unit_node_edge",
        {"node_output_uuid": "{output}", "node_input_uuid": "{input}"},
    ),
}


def changing() -> list[tuple[str, str]]:
    """Every operation of every door that does something."""
    return [(route.method, route.path) for route in changing_routes()]


def changing_routes() -> list[Route]:
    platform = Platform()
    routes = [route for door in platform.doors() for route in door.routes() if route.changes]
    platform.passwords.close()
    return routes


@pytest.fixture
async def things(life) -> dict[str, str]:
    lamp = await life.device()
    repo = await life.done("GET", f"/repos/{lamp['repo_uuid']}", "alice")
    private = await life.registry(
        name="private",
        is_public_repository=False,
        credentials={"username": "alice", "pat_token": "glpat-right"},
    )
    empty = await life.repo(repo["repository_registry_uuid"], name="empty")
    nodes = (await life.done("GET", f"/unit_nodes?unit_uuid={lamp['uuid']}", "alice"))["unit_nodes"]
    users = (await life.done("GET", "/users", "alice"))["users"]
    invite = await life.done("POST", "/users/invites", "root", json={})
    token_body = {"name": "old", "scope": "own"}
    made = await life.done("POST", "/users/api_tokens", "alice", json=token_body)
    other = await life.unit(lamp["repo_uuid"], name="other")
    path = f"/unit_nodes?unit_uuid={other['uuid']}&type=Input"
    (socket,) = (await life.done("GET", path, "alice"))["unit_nodes"]
    output = next(node["uuid"] for node in nodes if node["type"] == "Output")
    ends = {"node_output_uuid": output, "node_input_uuid": socket["uuid"]}
    await life.done("POST", "/unit_nodes/create_unit_node_edge", "alice", json=ends)
    bert = next(user["uuid"] for user in users if user["login"] == "bert")
    right = {"agent_uuid": bert, "agent_type": "User"}
    thing = {"resource_uuid": lamp["uuid"], "resource_type": "Unit"}
    await life.done("POST", "/permission", "alice", json=right | thing)
    export = await life.done("GET", "/units/export", "alice")
    for number, copy in enumerate(export["units"]):
        copy["name"] = f"copy-{number}"
    await piped(life, records(3), lamp)
    moving, paused = [await moving_repo(life, repo, name) for name in ("moving", "paused")]
    await life.done("POST", f"/repos/rollout/{paused}/pause", "alice")
    life.platform.clock.now = life.platform.clock.now.replace(year=2027)
    for who in ("alice", "bert", "root"):
        life.tokens[who] = await life.sign_in(who)
    return {
        "unit": lamp["uuid"],
        "repo": repo["uuid"],
        "empty_repo": empty["uuid"],
        "registry": repo["repository_registry_uuid"],
        "private_registry": private["uuid"],
        "invite": invite["uuid"],
        "api_token": made["api_token"]["uuid"],
        "other_input": socket["uuid"],
        "other": other["uuid"],
        "export": json.dumps(export | {"edges": []}),
        "piped": output,
        "config": json.dumps(records(4)),
        "moving_repo": moving,
        "paused_repo": paused,
        **{user["login"]: user["uuid"] for user in users},
        **{node["type"].lower(): node["uuid"] for node in nodes},
    }


async def moving_repo(life, like: dict[str, Any], name: str) -> str:
    """A repo whose unit is on its way to an older version."""
    made = await life.repo(like["repository_registry_uuid"], name=name)
    await life.unit(made["uuid"], name=f"{name}-unit")
    body = {"is_auto_update_repo": False, "default_branch": "main", "default_commit": "a" * 40}
    await life.done("PATCH", f"/repos/{made['uuid']}", "alice", json=body)
    return made["uuid"]


async def entries(life) -> list[AuditEntry]:
    async with life.platform.database.read() as rows:
        return list((await rows.audit.find(AuditQuery())).items)


def filled(given: Any, things: dict[str, str]) -> Any:
    if isinstance(given, Mapping):
        return {name: filled(value, things) for name, value in given.items()}
    if isinstance(given, list):
        return [filled(one, things) for one in given]
    return given.format(**things) if isinstance(given, str) else given


@pytest.mark.parametrize("route", changing(), ids=" ".join)
async def test_rulings_8_every_changing_route_leaves_a_row(life, things, route):
    assert route in REQUESTS, "a new route needs a request here that succeeds"
    ask = REQUESTS[route]
    headers = {}
    if "webhook" in ask.path:
        secret = hook_secret(SECRET, RegistryId(UUID(things["registry"])))
        headers = {"X-Gitlab-Token": secret}
    known = {entry.uuid for entry in await entries(life)}
    options: dict[str, Any] = {}
    if ask.body is not None:
        options["json"] = filled(ask.body, things)
    if ask.file is not None:
        options["data"] = aiohttp.FormData()
        options["data"].add_field(ask.part, filled(ask.file, things), filename="any")
    path = ask.path.format(**things)
    reply = await life.ask(route[0], path, ask.who, headers=headers, **options)
    assert reply.status in (200, 201, 204), reply.content
    (entry,) = [entry for entry in await entries(life) if entry.uuid not in known]
    names = {"none": "anonymous", "backend": "platform"}
    assert entry.agent_name == names.get(ask.who, ask.who)
    assert entry.address == "127.0.0.1"
    assert entry.outcome.value == "Done"
    told = repr(entry)
    assert "token" not in reply.content.decode() or "pu_" not in told
    for secret in (PASSWORD, "Another-horse2", "glpat-right", "a secret state", "argon2"):
        assert secret not in told
    if route[1].startswith("/permission"):
        assert str(entry.subject.owner) == things["alice"]
    elif "{uuid}" in route[1] and "me" not in path:
        assert str(entry.subject.uuid) in path
    assert entry.subject.kind != "Instance" or route[1] in (
        "/repos/bulk_update",
        "/repository_registry/backend_sync_registry",
    )


def test_no_two_operations_are_told_by_one_verb():
    verbs = [route.verb for route in changing_routes()]
    assert [verb for verb in verbs if verbs.count(verb) > 1] == []


@pytest.mark.parametrize("command", ["Update", "EnvUpdate"])
@pytest.mark.parametrize("names", [("unit", "other"), ("unit",), ()])
async def test_rulings_8_a_command_to_many_units_is_one_row_its_owner_reads(
    life, things, command, names
):
    body = {"command": command, "uuids": [things[name] for name in names]}
    results = await life.done("POST", "/units/bulk_command", "alice", json=body)
    assert [one["is_queued"] for one in results] == [True] * len(names)
    (entry,) = (await life.done("GET", "/audit?verb=units.command_many", "alice"))["entries"]
    only = things["unit"] if names == ("unit",) else None
    assert (entry["subject_kind"], entry["subject_uuid"]) == ("Unit", only)


async def test_rulings_8_fields_are_told_before_and_after(life, things):
    await life.done("PATCH", f"/units/{things['unit']}", "alice", json={"name": "renamed"})
    entry = (await entries(life))[0]
    assert (entry.verb, entry.subject.name) == ("units.edit", "lamp")
    (change,) = entry.changes
    assert dict(change.fields) == {"name": ("lamp", "renamed")}


async def test_w20_sign_ins_are_told_with_their_outcome_and_no_unknown_login(life):
    body = {"credentials": "alice", "password": "wrong-Horse1"}
    known = {entry.uuid for entry in await entries(life)}
    assert (await life.ask("POST", "/users/auth", json=body)).status == 403
    mistyped = {"credentials": "my-password-1", "password": "alice"}
    assert (await life.ask("POST", "/users/auth", json=mistyped)).status == 403
    await life.sign_in("alice")
    found = [entry for entry in await entries(life) if entry.uuid not in known][::-1]
    assert [(e.outcome.value, e.subject.name) for e in found] == [
        ("Refused", "alice"),
        ("Refused", ""),
        ("Done", "alice"),
    ]
    assert all(entry.verb == "users.authenticate" for entry in found)
    assert "my-password-1" not in repr(found)


async def test_a_refused_change_of_a_person_is_told(life, things):
    path = f"/units/{things['unit']}"
    assert (await life.ask("PATCH", path, "bert", json={"name": "stolen"})).status == 403
    entry = (await entries(life))[0]
    assert (entry.agent_name, entry.outcome.value, str(entry.subject.uuid)) == (
        "bert",
        "Refused",
        things["unit"],
    )


async def test_looking_leaves_no_row_and_neither_does_what_a_device_does_for_itself(life, things):
    before = len(await entries(life))
    for path in ("/units", f"/units/{things['unit']}", "/audit"):
        await life.done("GET", path, "alice")
    for state in ("1", "2"):
        path = f"/units/set_state_storage/{things['unit']}"
        await life.done("POST", path, "lamp", json={"state": state})
    assert len(await entries(life)) == before


async def test_rulings_8_each_private_thing_an_administrator_sees_by_his_role_is_told(life, things):
    secret = await life.unit(things["repo"], name="secret", visibility_level="Private")
    before = len(await entries(life))
    await life.done("GET", f"/units/{secret['uuid']}", "root")
    await life.done("GET", "/units?limit=10", "root")
    await life.done("GET", f"/units/{things['unit']}", "root")
    await life.done("GET", "/units?visibility_level=Public", "root")
    found = (await entries(life))[: len(await entries(life)) - before]
    assert [(entry.verb, entry.agent_name) for entry in found] == [
        ("units.find", "root"),
        ("units.get", "root"),
    ]
    for entry in found:
        assert [str(change.uuid) for change in entry.changes] == [secret["uuid"]]
        assert str(entry.subject.owner) == things["alice"]
    seen = await life.done("GET", f"/audit?subject_uuid={secret['uuid']}&limit=1", "alice")
    assert seen["entries"][0]["changes"][0]["deed"] == "shown to an administrator"


async def test_owners_read_of_their_own_things_and_administrators_of_everything(life, things):
    await life.done("PATCH", f"/units/{things['unit']}", "alice", json={"name": "renamed"})
    count = len(await entries(life))
    everything = await life.done("GET", "/audit?limit=3", "root")
    assert everything["count"] == count
    own = await life.done("GET", "/audit?verb=units.edit", "alice")
    assert [entry["subject_name"] for entry in own["entries"]] == ["lamp"]
    assert (await life.done("GET", "/audit?verb=units.edit", "bert"))["count"] == 0
    mine = await life.done("GET", "/audit", "bert")
    assert {entry["subject_name"] for entry in mine["entries"]} == {"bert"}
    for who in ("none", "lamp", "backend"):
        assert (await life.ask("GET", "/audit", who)).status == 403


async def test_the_model_of_an_entry(life, things):
    await life.done("PATCH", f"/units/{things['unit']}", "alice", json={"name": "renamed"})
    (entry,) = (await life.done("GET", "/audit?limit=1&verb=units.edit", "alice"))["entries"]
    assert json.dumps(list(entry)) == json.dumps(
        [
            "uuid",
            "create_datetime",
            "agent_kind",
            "agent_uuid",
            "agent_name",
            "verb",
            "subject_kind",
            "subject_uuid",
            "subject_name",
            "address",
            "outcome",
            "change_count",
            "changes",
        ]
    )
    assert entry["changes"] == [
        {
            "kind": "Unit",
            "uuid": things["unit"],
            "deed": "changed",
            "fields": {"name": ["lamp", "renamed"]},
        }
    ]
    assert (entry["agent_kind"], entry["agent_uuid"]) == ("User", things["alice"])


async def test_w25_an_invite_is_shown_once_and_opens_an_account(life):
    made = await life.done("POST", "/users/invites", "root", json={"expires_in_seconds": 60})
    assert list(made) == [
        "uuid",
        "creator_uuid",
        "create_datetime",
        "expiration_datetime",
        "invite",
    ]
    listed = await life.done("GET", "/users/invites", "root")
    assert listed == {"count": 1, "invites": [{k: v for k, v in made.items() if k != "invite"}]}
    body = {"login": "carol", "password": PASSWORD, "invite": made["invite"]}
    assert (await life.ask("POST", "/users", json=body)).status == 201
    assert (await life.done("GET", "/users/invites", "root"))["count"] == 0
    again = await life.ask("POST", "/users", json=body | {"login": "dave"})
    assert (again.status, again.detail) == (403, "403: 1: No Access: the invite is not valid")


async def test_a_wrong_lifetime_of_an_invite_is_refused(life):
    for seconds in (0, -1, 10**15):
        body = {"expires_in_seconds": seconds}
        reply = await life.ask("POST", "/users/invites", "root", json=body)
        assert (reply.status, reply.detail[:6]) == (422, "422: 3")


async def test_an_account_is_handed_over_and_gone(life, things):
    path = f"/users/{things['alice']}?transfer_to={things['bert']}"
    assert (await life.ask("DELETE", path, "bert")).status == 403
    assert (await life.ask("DELETE", path, "alice")).status == 204
    assert (await life.ask("GET", "/users", "alice")).status == 403
    unit = await life.done("GET", f"/units/{things['unit']}", "bert")
    assert unit["creator_uuid"] == things["bert"]
    seen = await life.done("GET", f"/audit?subject_uuid={things['unit']}", "bert")
    assert seen["count"] > 0
    last = await life.ask("DELETE", f"/users/{things['root']}", "root")
    assert (last.status, last.detail[:6]) == (422, "422: 3")

"""The operations of the contract: all there, documented, and the same for every agent."""

from __future__ import annotations

from uuid import uuid4

import pytest
from openapi_spec_validator import validate

from pepeunit.entrypoints.http.absent import ABSENT
from tests.doors.http.serving import API

CONTRACT = """
POST /users
POST /users/auth
GET /users/{uuid}
GET /users
PATCH /users/{uuid}
GET /users/generate_verification_link/
PATCH /users/block/{uuid}
PATCH /users/unblock/{uuid}
POST /repository_registry
GET /repository_registry/{uuid}
GET /repository_registry
GET /repository_registry/branch_commits/{uuid}
PATCH /repository_registry/set_credentials/{uuid}
GET /repository_registry/get_credentials/{uuid}
PATCH /repository_registry/update_local_repository/{uuid}
PATCH /repository_registry/backend_sync_registry
DELETE /repository_registry/{uuid}
POST /repos
GET /repos/{uuid}
GET /repos
GET /repos/available_platforms/{uuid}
GET /repos/versions/{uuid}
PATCH /repos/{uuid}
PATCH /repos/update_units_firmware/{uuid}
POST /repos/bulk_update
DELETE /repos/{uuid}
POST /units
GET /units/{uuid}
GET /units
PATCH /units/{uuid}
DELETE /units/{uuid}
GET /units/env/{uuid}
PATCH /units/env/{uuid}
DELETE /units/env/{uuid}
GET /units/get_target_version/{uuid}
GET /units/get_current_schema/{uuid}
GET /units/firmware/zip/{uuid}
GET /units/firmware/tar/{uuid}
GET /units/firmware/tgz/{uuid}
POST /units/set_state_storage/{uuid}
GET /units/get_state_storage/{uuid}
POST /units/send_command_to_input_base_topic/{uuid}
GET /units/log_list/
POST /units/convert_toml_to_md
POST /units/auth
GET /unit_nodes/{uuid}
GET /unit_nodes
PATCH /unit_nodes/{uuid}
PATCH /unit_nodes/set_state_input/{uuid}
POST /unit_nodes/create_unit_node_edge
POST /unit_nodes/check_data_pipe_config
POST /unit_nodes/set_data_pipe_config
GET /unit_nodes/get_data_pipe_config/{uuid}
GET /unit_nodes/get_data_pipe_data/
GET /unit_nodes/get_data_pipe_data_csv/{uuid}
POST /unit_nodes/set_data_pipe_data_csv
DELETE /unit_nodes/delete_data_pipe_data/{uuid}
POST /permission
GET /permission/get_resource_agents
DELETE /permission/{uuid}
GET /metrics/
POST /grafana/create_dashboard
POST /grafana/create_dashboard_panel
POST /grafana/link_unit_node_to_panel
GET /grafana/get_dashboard/{uuid}
GET /grafana/get_dashboards
GET /grafana/get_dashboard_panels/{uuid}
POST /grafana/sync_dashboard
DELETE /grafana/delete_dashboard/{uuid}
DELETE /grafana/delete_panel/{uuid}
DELETE /grafana/delete_link/{uuid}
GET /grafana/oidc/authorize
POST /grafana/oidc/token
GET /grafana/oidc/userinfo
GET /grafana/datasource/
"""
OPERATIONS = [tuple(line.split()) for line in CONTRACT.split("\n") if line]
WITHOUT_TOKEN = {("POST", "/units/auth")}


def test_the_contract_has_seventy_five_operations():
    assert len(set(OPERATIONS)) == 75


async def test_the_document_is_valid_and_lists_every_operation(life):
    reply = await life.ask("GET", "/openapi.json")
    document = reply.json
    validate(document)
    listed = {
        (method.upper(), path.removeprefix(API))
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert set(OPERATIONS) <= listed
    assert listed - set(OPERATIONS) == {
        ("GET", "/pepeunit"),
        ("GET", "/repos/rollout/{uuid}"),
        ("PATCH", "/repos/rollout/{uuid}"),
        ("POST", "/repos/rollout/{uuid}/pause"),
        ("POST", "/repos/rollout/{uuid}/resume"),
        ("POST", "/repos/rollout/{uuid}/stop"),
        ("POST", "/repos/rollout/{uuid}/return"),
        ("POST", "/units/import_csv"),
        ("POST", "/units/bulk_command"),
        ("GET", "/units/export"),
        ("POST", "/units/import"),
        ("POST", "/repository_registry/webhook/{uuid}"),
        ("GET", "/repository_registry/webhook/{uuid}"),
        ("GET", "/unit_nodes/access/{uuid}"),
        ("GET", "/unit_nodes/access_list/{uuid}"),
        ("GET", "/units/link_check"),
        ("GET", "/events"),
        ("POST", "/users/api_tokens"),
        ("GET", "/users/api_tokens"),
        ("DELETE", "/users/api_tokens/{uuid}"),
        ("POST", "/users/invites"),
        ("GET", "/users/invites"),
        ("DELETE", "/users/invites/{uuid}"),
        ("PATCH", "/users/role/{uuid}"),
        ("POST", "/users/sign_out_everywhere"),
        ("POST", "/users/sign_out/{uuid}"),
        ("DELETE", "/users/{uuid}"),
        ("POST", "/units/rotate_token/{uuid}"),
        ("POST", "/units/revoke_token/{uuid}"),
        ("GET", "/audit"),
        ("GET", "/unit_nodes/edges"),
        ("GET", "/unit_nodes/data_pipe_drops/{uuid}"),
        ("DELETE", "/unit_nodes/delete_unit_node_edge"),
        ("GET", "/units/firmware_asset/{uuid}"),
    }
    identities = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(identities) == len(set(identities))
    assert all(o["summary"] for p in document["paths"].values() for o in p.values())


async def test_the_document_tells_bounds_defaults_and_lists(life):
    paths = (await life.ask("GET", "/openapi.json")).json["paths"]
    parameters = {p["name"]: p for p in paths[f"{API}/units"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 0, "maximum": 500}
    assert parameters["uuids"]["schema"]["items"] == {"type": "string", "format": "uuid"}
    assert parameters["is_include_output_unit_nodes"]["schema"]["default"] is False
    tgz = paths[f"{API}/units/firmware/tgz/{{uuid}}"]["get"]
    assert set(tgz["responses"]["200"]["content"]) == {"application/x-tar"}
    assert [p["name"] for p in tgz["parameters"]] == ["uuid", "wbits", "level"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_operation_refuses_a_bad_token_in_both_slash_forms(life, method, path):
    path = path.replace("{uuid}", str(uuid4())).rstrip("/")
    for form in (path, f"{path}/"):
        reply = await life.ask(method, form, "garbage", json={})
        if (method, path) in WITHOUT_TOKEN:
            assert reply.status == 422
        else:
            assert (reply.status, reply.detail[:18]) == (403, "403: 1: No Access:")


@pytest.mark.parametrize(("method", "path"), ABSENT)
async def test_what_is_not_built_answers_405_with_code_15(life, method, path):
    for token in ("none", "empty", "alice"):
        reply = await life.ask(method, path.replace("{uuid}", "any%20text"), token)
        assert reply.status == 405
        assert reply.detail.startswith("405: 15: Feature Flag Error: ")


async def test_the_documentation_page_uses_only_our_own_files(life):
    for path in ("/pepeunit/docs", "/pepeunit/docs/"):
        page = await life.ask("GET", path)
        assert page.status == 200
        assert b"//" not in page.content.replace(b"<!doctype html>", b"")
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        file = await life.ask("GET", f"/pepeunit/docs/{name}")
        assert file.status == 200
        assert int(file.headers["Content-Length"]) == len(file.content) > 0
        assert name.encode() in page.content
    assert (await life.ask("GET", "/pepeunit/docs/..%2fapp.py")).status == 404


async def test_the_instance_describes_itself(life):
    for path in ("/pepeunit", "/pepeunit/"):
        reply = await life.ask("GET", path, "garbage")
        assert reply.status == 200
    assert reply.json == {
        "name": "pepeunit",
        "version": "1.2.3",
        "description": "Self-hosted, federated IoT platform",
        "license": "Apache-2.0",
        "authors": [{"name": "The Pepeunit authors", "email": ""}],
        "swagger": "http://iot.example/pepeunit/docs",
        "graphql": "http://iot.example/pepeunit/graphql",
        "grafana": "http://iot.example/grafana/",
        "telegram_bot": "",
        "feature_flags": {
            "pu_ff_telegram_bot_enable": False,
            "pu_ff_grafana_integration_enable": False,
            "pu_ff_datapipe_enable": False,
            "pu_ff_datapipe_default_last_value_enable": False,
            "pu_ff_prometheus_enable": False,
        },
    }

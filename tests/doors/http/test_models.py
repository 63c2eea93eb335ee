"""The JSON of every read model, character by character (spec rest.md 4 and 6)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import attrs
import pytest

from pepeunit.codecs.rest.instance import MetricsModel
from pepeunit.codecs.rest.json_text import dump
from pepeunit.codecs.rest.node import NodesModel, edge_model, node_model
from pepeunit.codecs.rest.registry import (
    RegistriesModel,
    commit_model,
    credentials_model,
    registry_model,
)
from pepeunit.codecs.rest.repo import (
    PlatformModel,
    ReposModel,
    RepoVersionModel,
    RepoVersionsModel,
    repo_model,
    target_version_model,
)
from pepeunit.codecs.rest.unit import UnitLogsModel, UnitsModel, unit_log_model, unit_model
from pepeunit.codecs.rest.user import UsersModel, user_model
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import EdgeId, NodeId, RegistryId, RepoId, UnitId, UserId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.credentials import (
    CredentialSlot,
    CredentialStatus,
    GitCredentials,
)
from pepeunit.domain.registries.registry import GitPlatform, Registry, SyncStatus
from pepeunit.domain.registries.version import Asset, Commit, Sha, Version
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.domain.units.state import state_from_mapping
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateProgress, UpdateStatus
from pepeunit.domain.users.user import User, UserRole, UserStatus

WHOLE_SECOND = datetime(2026, 11, 23, 10, 39, 9, tzinfo=timezone(timedelta(hours=2)))
FRACTION = datetime(2026, 11, 23, 8, 39, 9, 725670, UTC)
SHA = Sha("0123456789abcdef0123456789abcdef01234567")


def uuid(number: int) -> UUID:
    return UUID(int=number)


def text(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


USER = User(
    uuid=UserId(uuid(1)),
    login="alice",
    role=UserRole.ADMIN,
    status=UserStatus.UNVERIFIED,
    password_hash="never shown",
    create_datetime=FRACTION,
    grafana_org_name=text(9),
)
USER_JSON = {
    "uuid": text(1),
    "role": "Admin",
    "status": "Unverified",
    "login": "alice",
    "grafana_org_name": text(9),
    "grafana_org_id": None,
    "create_datetime": "2026-11-23T08:39:09.725670",
}
REGISTRY = Registry(
    uuid=RegistryId(uuid(2)),
    platform=GitPlatform.GITLAB,
    repository_url="https://forge.example/program.git",
    is_public_repository=True,
    create_datetime=WHOLE_SECOND,
    last_update_datetime=FRACTION,
    creator_uuid=None,
    releases={"v2": [Asset("esp32", "https://forge.example/a.bin", "0" * 64, "https://api")]},
    local_repository_size=4096,
    sync_status=SyncStatus.PROCESSING,
    sync_progress=40,
    sync_last_datetime=FRACTION,
)
REGISTRY_JSON = {
    "uuid": text(2),
    "platform": "Gitlab",
    "repository_url": "https://forge.example/program.git",
    "is_public_repository": True,
    "releases_data": '{"v2":[["esp32","https://forge.example/a.bin"]]}',
    "local_repository_size": 4096,
    "sync_status": "Processing",
    "sync_error": None,
    "sync_last_datetime": "2026-11-23T08:39:09.725670",
    "create_datetime": "2026-11-23T08:39:09",
    "last_update_datetime": "2026-11-23T08:39:09.725670",
    "creator_uuid": None,
    "branches": ["main"],
    "sync_progress": 40,
}
REPO = Repo(
    uuid=RepoId(uuid(3)),
    name="blinker",
    visibility_level=Visibility.INTERNAL,
    repository_registry_uuid=REGISTRY.uuid,
    creator_uuid=USER.uuid,
    create_datetime=FRACTION,
    last_update_datetime=FRACTION,
    default_branch="main",
)
REPO_JSON = {
    "uuid": text(3),
    "visibility_level": "Internal",
    "name": "blinker",
    "create_datetime": "2026-11-23T08:39:09.725670",
    "default_branch": "main",
    "is_auto_update_repo": True,
    "default_commit": None,
    "is_only_tag_update": True,
    "is_compilable_repo": False,
    "last_update_datetime": "2026-11-23T08:39:09.725670",
    "creator_uuid": text(1),
    "repository_registry_uuid": text(2),
}
NODE = Node(
    uuid=NodeId(uuid(5)),
    type=NodeType.INPUT,
    topic_name="led/pepeunit",
    unit_uuid=UnitId(uuid(4)),
    creator_uuid=USER.uuid,
    visibility_level=Visibility.PRIVATE,
    create_datetime=FRACTION,
    last_update_datetime=FRACTION,
    state="21.5",
)
NODE_JSON = {
    "uuid": text(5),
    "type": "Input",
    "visibility_level": "Private",
    "is_rewritable_input": False,
    "max_connections": 10,
    "topic_name": "led/pepeunit",
    "last_update_datetime": "2026-11-23T08:39:09.725670",
    "is_data_pipe_active": False,
    "data_pipe_yml": None,
    "data_pipe_status": None,
    "data_pipe_error": None,
    "create_datetime": "2026-11-23T08:39:09.725670",
    "state": "21.5",
    "unit_uuid": text(4),
    "creator_uuid": text(1),
}
UNIT = Unit(
    uuid=UnitId(uuid(4)),
    name="lamp",
    visibility_level=Visibility.PUBLIC,
    repo_uuid=REPO.uuid,
    creator_uuid=USER.uuid,
    create_datetime=FRACTION,
    last_update_datetime=FRACTION,
    built_commit=SHA,
    unit_state=state_from_mapping({"ifconfig": ["10.0.0.7"], "millis": 5, "freq": "fast"}),
    update=UpdateProgress(status=UpdateStatus.REQUEST_SENT, sent_datetime=WHOLE_SECOND),
    is_online=True,
    last_seen_datetime=FRACTION,
)
UNIT_JSON = {
    "uuid": text(4),
    "visibility_level": "Public",
    "name": "lamp",
    "create_datetime": "2026-11-23T08:39:09.725670",
    "is_auto_update_from_repo_unit": True,
    "target_firmware_platform": None,
    "repo_branch": None,
    "repo_commit": None,
    "unit_state": {
        "ifconfig": ["10.0.0.7"],
        "millis": 5.0,
        "mem_free": None,
        "mem_alloc": None,
        "freq": None,
        "statvfs": [],
        "pu_commit_version": None,
    },
    "current_commit_version": None,
    "last_update_datetime": "2026-11-23T08:39:09.725670",
    "creator_uuid": text(1),
    "repo_uuid": text(3),
    "firmware_update_status": "RequestSent",
    "firmware_update_error": None,
    "last_firmware_update_datetime": "2026-11-23T08:39:09",
    "unit_nodes": [NODE_JSON],
    "built_commit": SHA,
    "is_online": True,
    "last_seen_datetime": "2026-11-23T08:39:09.725670",
}
LOG = UnitLog(UNIT.uuid, LogLevel.WARNING, "hot", FRACTION, WHOLE_SECOND)
LOG_JSON = {
    "uuid": str(LOG.uuid),
    "level": "Warning",
    "unit_uuid": text(4),
    "text": "hot",
    "create_datetime": "2026-11-23T08:39:09.725670",
    "expiration_datetime": "2026-11-23T08:39:09",
}
CREDENTIALS = CredentialSlot(GitCredentials("alice", "********"), CredentialStatus.NOT_VERIFIED)

GOLDENS = {
    "User": (UsersModel(1, [user_model(USER)]), {"count": 1, "users": [USER_JSON]}),
    "Registry": (
        RegistriesModel(1, [registry_model(REGISTRY, ("main",))]),
        {"count": 1, "repositories_registry": [REGISTRY_JSON]},
    ),
    "Credentials": (
        credentials_model(CREDENTIALS),
        {
            "credentials": {"username": "alice", "pat_token": "********"},
            "status": "NotVerified",
        },
    ),
    "Commit": (
        [commit_model(Commit(SHA, "Blink"))],
        [{"commit": SHA, "summary": "Blink", "tag": None}],
    ),
    "Repo": (ReposModel(1, [repo_model(REPO)]), {"count": 1, "repos": [REPO_JSON]}),
    "Platform": ([PlatformModel("esp32", "https://x")], [{"name": "esp32", "link": "https://x"}]),
    "RepoVersions": (
        RepoVersionsModel(3, [RepoVersionModel(SHA, 3, "v1")]),
        {"unit_count": 3, "versions": [{"commit": SHA, "unit_count": 3, "tag": "v1"}]},
    ),
    "TargetVersion": (target_version_model(Version(SHA)), {"commit": SHA, "tag": None}),
    "Unit": (UnitsModel(1, [unit_model(UNIT, [NODE])]), {"count": 1, "units": [UNIT_JSON]}),
    "UnitLog": (UnitLogsModel(1, [unit_log_model(LOG)]), {"count": 1, "unit_logs": [LOG_JSON]}),
    "Node": (NodesModel(1, [node_model(NODE)]), {"count": 1, "unit_nodes": [NODE_JSON]}),
    "Edge": (
        edge_model(Edge(EdgeId(uuid(6)), NODE.uuid, NodeId(uuid(7)), USER.uuid)),
        {"uuid": text(6), "node_output_uuid": text(5), "node_input_uuid": text(7)},
    ),
    "Metrics": (
        MetricsModel(1, 2, 3, 4, 5, 6),
        {
            "user_count": 1,
            "repository_registry_count": 2,
            "repo_count": 3,
            "unit_count": 4,
            "unit_node_count": 5,
            "unit_node_edge_count": 6,
        },
    ),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_a_model_has_exactly_the_fields_of_the_contract_in_order(name):
    model, golden = GOLDENS[name]
    assert dump(model).decode() == json.dumps(golden, separators=(",", ":"), ensure_ascii=False)


def test_a_model_without_optional_values_shows_every_field_as_null():
    bare = attrs.evolve(UNIT, unit_state=None, update=UpdateProgress(), last_seen_datetime=None)
    shown = json.loads(dump(unit_model(bare)))
    assert list(shown) == list(UNIT_JSON)
    assert shown["unit_state"] is shown["last_firmware_update_datetime"] is None
    assert shown["unit_nodes"] == []
    assert (
        json.loads(dump(registry_model(attrs.evolve(REGISTRY, releases=None), ())))["releases_data"]
        is None
    )


def test_values_that_a_fast_encoder_refuses_are_still_json():
    odd = {"big": 2**70, "half": "\ud800", "id": uuid(1), "when": FRACTION.replace(tzinfo=None)}
    assert json.loads(dump(odd)) == {
        "big": 2**70,
        "half": "\ud800",
        "id": text(1),
        "when": "2026-11-23T08:39:09.725670",
    }
    assert dump({"nan": float("nan")}) == b'{"nan":null}'

"""A row of the reference platform becomes a value of ours (spec rest.md 6, devices.md 2-4, 7).

Columns are named as in its read models; times without a zone are UTC; words of enumerations are
taken by value or by name, in any case.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import (
    EdgeId,
    NodeId,
    PermissionId,
    RegistryId,
    RepoId,
    UnitId,
    UserId,
)
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.registry import GitPlatform, Registry, SyncStatus
from pepeunit.domain.registries.version import Asset, Releases, Sha
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.state import UnitState, state_from_mapping
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateProgress, UpdateStatus
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.reference import ReferenceRegistry, ReferenceUnit, ReferenceUser

Row = Mapping[str, Any]
E = TypeVar("E", bound=enum.Enum)


def to_user(row: Row) -> ReferenceUser:
    chat = row.get("telegram_chat_id")
    organisation = row.get("grafana_org_id")
    user = User(
        uuid=UserId(_uuid(row["uuid"])),
        login=row["login"],
        role=_word(UserRole, row["role"]),
        status=_word(UserStatus, row["status"]),
        password_hash="",
        create_datetime=_time(row["create_datetime"]),
        grafana_org_name=str(row["grafana_org_name"]),
        grafana_org_id=None if organisation is None else str(organisation),
        telegram_chat_id=None if chat is None else str(chat),
    )
    return ReferenceUser(user, row["hashed_password"], row["cipher_dynamic_salt"])


def to_registry(row: Row) -> ReferenceRegistry:
    creator, status = row.get("creator_uuid"), row.get("sync_status")
    registry = Registry(
        uuid=RegistryId(_uuid(row["uuid"])),
        platform=_word(GitPlatform, row["platform"]),
        repository_url=row["repository_url"],
        is_public_repository=row["is_public_repository"],
        create_datetime=_time(row["create_datetime"]),
        last_update_datetime=_time(row["last_update_datetime"]),
        creator_uuid=None if creator is None else UserId(_uuid(creator)),
        releases=_releases(row.get("releases_data")),
        local_repository_size=int(row.get("local_repository_size") or 0),
        sync_status=None if status is None else _word(SyncStatus, status),
        sync_error=row.get("sync_error"),
        sync_last_datetime=_optional_time(row.get("sync_last_datetime")),
    )
    return ReferenceRegistry(registry, row.get("cipher_credentials_private_repository"))


def to_repo(row: Row) -> Repo:
    return Repo(
        uuid=RepoId(_uuid(row["uuid"])),
        name=row["name"],
        visibility_level=_word(Visibility, row["visibility_level"]),
        repository_registry_uuid=RegistryId(_uuid(row["repository_registry_uuid"])),
        creator_uuid=UserId(_uuid(row["creator_uuid"])),
        create_datetime=_time(row["create_datetime"]),
        last_update_datetime=_time(row["last_update_datetime"]),
        default_branch=row.get("default_branch"),
        default_commit=_sha(row.get("default_commit")),
        is_auto_update_repo=row["is_auto_update_repo"],
        is_only_tag_update=row["is_only_tag_update"],
        is_compilable_repo=row["is_compilable_repo"],
    )


def to_unit(row: Row) -> ReferenceUnit:
    """What the device reported last is what it was built for: its nodes are of that version."""
    reported = _sha(row.get("current_commit_version"))
    status = row.get("firmware_update_status")
    unit = Unit(
        uuid=UnitId(_uuid(row["uuid"])),
        name=row["name"],
        visibility_level=_word(Visibility, row["visibility_level"]),
        repo_uuid=RepoId(_uuid(row["repo_uuid"])),
        creator_uuid=UserId(_uuid(row["creator_uuid"])),
        create_datetime=_time(row["create_datetime"]),
        last_update_datetime=_time(row["last_update_datetime"]),
        is_auto_update_from_repo_unit=row["is_auto_update_from_repo_unit"],
        target_firmware_platform=row.get("target_firmware_platform"),
        repo_branch=row.get("repo_branch"),
        repo_commit=_sha(row.get("repo_commit")),
        built_commit=reported,
        current_commit_version=reported,
        unit_state=_state(row.get("unit_state")),
        update=UpdateProgress(
            status=None if status is None else _word(UpdateStatus, status),
            error=row.get("firmware_update_error"),
            sent_datetime=_optional_time(row.get("last_firmware_update_datetime")),
        ),
    )
    return ReferenceUnit(unit, row.get("cipher_env_dict"), row.get("cipher_state_storage"))


def to_node(row: Row) -> Node:
    return Node(
        uuid=NodeId(_uuid(row["uuid"])),
        type=_word(NodeType, row["type"]),
        topic_name=row["topic_name"],
        unit_uuid=UnitId(_uuid(row["unit_uuid"])),
        creator_uuid=UserId(_uuid(row["creator_uuid"])),
        visibility_level=_word(Visibility, row["visibility_level"]),
        create_datetime=_time(row["create_datetime"]),
        last_update_datetime=_time(row["last_update_datetime"]),
        is_rewritable_input=row["is_rewritable_input"],
        max_connections=row["max_connections"],
        state=row.get("state"),
        is_data_pipe_active=row.get("is_data_pipe_active", False),
        data_pipe_yml=row.get("data_pipe_yml"),
        data_pipe_status=row.get("data_pipe_status"),
        data_pipe_error=row.get("data_pipe_error"),
    )


def to_edge(row: Row) -> Edge:
    return Edge(
        uuid=EdgeId(_uuid(row["uuid"])),
        node_output_uuid=NodeId(_uuid(row["node_output_uuid"])),
        node_input_uuid=NodeId(_uuid(row["node_input_uuid"])),
        creator_uuid=UserId(_uuid(row["creator_uuid"])),
    )


def to_permission(row: Row) -> Permission:
    return Permission(
        uuid=PermissionId(_uuid(row["uuid"])),
        agent_uuid=_uuid(row["agent_uuid"]),
        agent_type=_word(PermissionEntity, row["agent_type"]),
        resource_uuid=_uuid(row["resource_uuid"]),
        resource_type=_word(PermissionEntity, row["resource_type"]),
    )


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))


def _time(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _optional_time(value: datetime | None) -> datetime | None:
    return None if value is None else _time(value)


def _sha(value: str | None) -> Sha | None:
    return Sha(value) if value else None


def _word(kind: type[E], text: str) -> E:
    wanted = text.replace("_", "").casefold()
    for member in kind:
        if wanted in (str(member.value).casefold(), member.name.replace("_", "").casefold()):
            return member
    raise ValueError(f"{text!r} is no {kind.__name__}")


def _releases(text: Any) -> Releases | None:
    document = json.loads(text) if isinstance(text, str) and text else text
    if not document:
        return None
    return {
        tag: tuple(Asset(name, link) for name, link in assets) for tag, assets in document.items()
    }


def _state(stored: Any) -> UnitState | None:
    document = json.loads(stored) if isinstance(stored, str) and stored else stored
    return state_from_mapping(document) if isinstance(document, dict) else None

"""Units and their sealed texts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
from attrs import frozen
from sqlalchemy import (
    ARRAY,
    Select,
    Text,
    any_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from pepeunit.adapters.postgres.nodes import matching
from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import filters, one_of, ordered, page, searched, visible
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import nodes, permissions, sealed_texts, units
from pepeunit.codecs.text import json_text, require_storable
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.state import state_from_mapping
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateProgress, UpdateStatus
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.units import SealedKind, UnitQuery

_GET: Final = Prepared.of(select(units).where(units.c.uuid == bindparam("uuid")))
_PUT: Final = upsert(units, "uuid")
_ORDERS: Final = {
    OrderKey.CREATE_DATETIME: units.c.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: units.c.last_update_datetime,
    OrderKey.NAME: units.c.name.collate("C"),
}
_OF_REPO: Final = units.c.repo_uuid == bindparam("repo")
_FOLLOWING: Final = (
    select(units.c.uuid)
    .where(_OF_REPO, units.c.is_auto_update_from_repo_unit)
    .order_by(units.c.uuid)
)
_TAKEN: Final = (
    select(units.c.name)
    .where(units.c.name == any_(bindparam("names", type_=ARRAY(Text))))
    .order_by(units.c.name.collate("C"))
)
_BEHIND: Final = _FOLLOWING.where(
    or_(
        units.c.built_commit.is_distinct_from(bindparam("commit")),
        units.c.current_commit_version.is_distinct_from(bindparam("commit")),
    )
)
_NOT_BUILT_FOR: Final = _FOLLOWING.where(units.c.built_commit.is_distinct_from(bindparam("commit")))
_VERSIONS: Final = (
    select(units.c.current_commit_version, func.count().label("unit_count"))
    .where(_OF_REPO, units.c.current_commit_version.is_not(None))
    .group_by(units.c.current_commit_version)
    .order_by(func.count().desc(), units.c.current_commit_version.collate("C"))
)
_LEVELS: Final = select(units.c.visibility_level).where(_OF_REPO).distinct()
_OVERDUE: Final = (
    select(units.c.uuid)
    .where(
        units.c.update_status == UpdateStatus.REQUEST_SENT.value,
        units.c.update_sent_datetime < bindparam("sent_before"),
    )
    .order_by(units.c.update_sent_datetime, units.c.uuid)
    .limit(bindparam("limit"))
)
_STATUSES: Final = select(units.c.update_status, func.count().label("unit_count")).group_by(
    units.c.update_status
)
_OLD_TOKENS: Final = (
    select(units.c.uuid)
    .where(units.c.old_token_until <= bindparam("moment"))
    .order_by(units.c.old_token_until, units.c.uuid)
    .limit(bindparam("limit"))
)
_PRESENCE: Final = (
    update(units)
    .where(units.c.uuid == bindparam("unit"))
    .values(is_online=bindparam("online"), last_seen_datetime=bindparam("at"))
)
_ALL_OFFLINE: Final = update(units).where(units.c.is_online).values(is_online=False)
_NODE_IDS: Final = select(nodes.c.uuid).where(nodes.c.unit_uuid == bindparam("unit"))
_FORGET_PERMISSIONS: Final = delete(permissions).where(
    or_(
        permissions.c.agent_uuid == bindparam("unit"),
        permissions.c.resource_uuid == bindparam("unit"),
        permissions.c.agent_uuid.in_(_NODE_IDS),
        permissions.c.resource_uuid.in_(_NODE_IDS),
    )
)
_DELETE: Final = delete(units).where(units.c.uuid == bindparam("unit"))
_SEALED: Final = select(sealed_texts.c.sealed).where(
    sealed_texts.c.unit_uuid == bindparam("unit"), sealed_texts.c.kind == bindparam("of_kind")
)
_PUT_SEALED: Final = upsert(sealed_texts, "unit_uuid", "kind")


def to_unit(row: Any) -> Unit:
    return Unit(
        uuid=row.uuid,
        name=row.name,
        visibility_level=Visibility(row.visibility_level),
        repo_uuid=row.repo_uuid,
        creator_uuid=row.creator_uuid,
        create_datetime=row.create_datetime,
        last_update_datetime=row.last_update_datetime,
        is_auto_update_from_repo_unit=row.is_auto_update_from_repo_unit,
        target_firmware_platform=row.target_firmware_platform,
        repo_branch=row.repo_branch,
        repo_commit=row.repo_commit,
        built_commit=row.built_commit,
        built_tag=row.built_tag,
        current_commit_version=row.current_commit_version,
        unit_state=None if row.unit_state is None else state_from_mapping(row.unit_state),
        state_datetime=row.state_datetime,
        update=UpdateProgress(
            status=None if row.update_status is None else UpdateStatus(row.update_status),
            error=row.update_error,
            sent_datetime=row.update_sent_datetime,
            failures=row.update_failures,
            retry_datetime=row.update_retry_datetime,
        ),
        token_generation=row.token_generation,
        old_token_generation=row.old_token_generation,
        old_token_until=row.old_token_until,
        is_online=row.is_online,
        last_seen_datetime=row.last_seen_datetime,
    )


def to_row(unit: Unit) -> dict[str, Any]:
    state, progress = unit.unit_state, unit.update
    row = {
        "uuid": unit.uuid,
        "name": unit.name,
        "visibility_level": unit.visibility_level.value,
        "repo_uuid": unit.repo_uuid,
        "creator_uuid": unit.creator_uuid,
        "create_datetime": unit.create_datetime,
        "last_update_datetime": unit.last_update_datetime,
        "is_auto_update_from_repo_unit": unit.is_auto_update_from_repo_unit,
        "target_firmware_platform": unit.target_firmware_platform,
        "repo_branch": unit.repo_branch,
        "repo_commit": unit.repo_commit,
        "built_commit": unit.built_commit,
        "built_tag": unit.built_tag,
        "current_commit_version": unit.current_commit_version,
        "unit_state": None
        if state is None
        else json_text("unit_state", attrs.asdict(state, recurse=False)),
        "state_datetime": unit.state_datetime,
        "update_status": progress.status and progress.status.value,
        "update_error": progress.error,
        "update_sent_datetime": progress.sent_datetime,
        "update_failures": progress.failures,
        "update_retry_datetime": progress.retry_datetime,
        "token_generation": unit.token_generation,
        "old_token_generation": unit.old_token_generation,
        "old_token_until": unit.old_token_until,
        "is_online": unit.is_online,
        "last_seen_datetime": unit.last_seen_datetime,
    }
    require_storable(row.items())
    return row


def _found(query: UnitQuery) -> Select[Any]:
    columns = units.c
    statement = select(units).where(
        visible(query.scope, units, columns.uuid),
        *filters(
            uuids=(columns.uuid, query.uuids),
            creator=(columns.creator_uuid, query.creator_uuid),
            repos=(columns.repo_uuid, query.repos),
            auto=(columns.is_auto_update_from_repo_unit, query.is_auto_update_from_repo_unit),
        ),
        *searched(query.search, columns.name),
    )
    if query.owning is not None:
        owned = exists().where(nodes.c.unit_uuid == columns.uuid, *matching(query.owning))
        statement = statement.where(owned)
    return ordered(statement, query.order, _ORDERS, columns.uuid)


@frozen
class PostgresUnits:
    """Implements :class:`~pepeunit.ports.units.Units`."""

    statements: Statements

    async def get(self, uuid: UnitId, *, for_update: bool = False) -> Unit | None:
        row = await self.statements.get(_GET, uuid, for_update=for_update)
        return to_unit(row) if row is not None else None

    async def get_many(
        self, uuids: Collection[UnitId], *, for_update: bool = False
    ) -> Sequence[Unit]:
        statement = select(units).where(one_of(units.c.uuid, uuids)).order_by(units.c.uuid)
        if for_update:
            return tuple(map(to_unit, await self.statements.write(statement.with_for_update())))
        return tuple(map(to_unit, await self.statements.read(statement)))

    async def taken(self, names: Collection[str]) -> Sequence[str]:
        found = await self.statements.read(_TAKEN, {"names": list(names)})
        return found.scalars().all()

    async def find(self, query: UnitQuery) -> Page[Unit]:
        return await page(self.statements, _found, query, to_unit)

    async def following(self, repo: RepoId) -> Sequence[UnitId]:
        return (await self.statements.read(_FOLLOWING, {"repo": repo})).scalars().all()

    async def behind(self, repo: RepoId, commit: Sha) -> Sequence[UnitId]:
        found = await self.statements.read(_BEHIND, {"repo": repo, "commit": commit})
        return found.scalars().all()

    async def not_built_for(self, repo: RepoId, commit: Sha) -> Sequence[UnitId]:
        found = await self.statements.read(_NOT_BUILT_FOR, {"repo": repo, "commit": commit})
        return found.scalars().all()

    async def versions(self, repo: RepoId) -> Sequence[tuple[Sha, int]]:
        found = await self.statements.read(_VERSIONS, {"repo": repo})
        return [(Sha(row.current_commit_version), row.unit_count) for row in found]

    async def widest_visibility(self, repo: RepoId) -> Visibility | None:
        levels = map(Visibility, (await self.statements.read(_LEVELS, {"repo": repo})).scalars())
        return min(levels, key=lambda level: level.strictness, default=None)

    async def overdue(self, sent_before: datetime, limit: int) -> Sequence[UnitId]:
        found = await self.statements.read(_OVERDUE, {"sent_before": sent_before, "limit": limit})
        return found.scalars().all()

    async def update_statuses(self) -> Mapping[UpdateStatus | None, int]:
        found = await self.statements.read(_STATUSES)
        return {
            None if row.update_status is None else UpdateStatus(row.update_status): row.unit_count
            for row in found
        }

    async def with_old_token_before(self, moment: datetime, limit: int) -> Sequence[UnitId]:
        found = await self.statements.read(_OLD_TOKENS, {"moment": moment, "limit": limit})
        return found.scalars().all()

    async def put(self, unit: Unit) -> None:
        await self.statements.write(_PUT, to_row(unit))

    async def put_many(self, units: Sequence[Unit]) -> None:
        if units:
            await self.statements.write(_PUT, [to_row(unit) for unit in units])

    async def delete(self, uuid: UnitId) -> None:
        await self.statements.write(_FORGET_PERMISSIONS, {"unit": uuid})
        await self.statements.write(_DELETE, {"unit": uuid})

    async def mark_presence(self, uuid: UnitId, *, is_online: bool, at: datetime) -> None:
        await self.statements.write(_PRESENCE, {"unit": uuid, "online": is_online, "at": at})

    async def mark_all_offline(self) -> None:
        await self.statements.write(_ALL_OFFLINE)

    async def sealed(self, uuid: UnitId, kind: SealedKind) -> str | None:
        found = await self.statements.read(_SEALED, {"unit": uuid, "of_kind": kind.value})
        text: str | None = found.scalar_one_or_none()
        return text

    async def put_sealed(self, uuid: UnitId, kind: SealedKind, text: str | None) -> None:
        if text is None:
            await self.statements.write(
                delete(sealed_texts).where(
                    sealed_texts.c.unit_uuid == uuid, sealed_texts.c.kind == kind.value
                )
            )
            return
        require_storable([("text", text)])
        await self.statements.write(
            _PUT_SEALED, {"unit_uuid": uuid, "kind": kind.value, "sealed": text}
        )

"""Read models of units, their state and logs (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc, naive_utc_or_none
from pepeunit.codecs.rest.node import NodeModel, node_model
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.units.batch import UnitDraft, Violation
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.domain.units.state import UnitState
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateStatus


@frozen
class UnitStateModel:
    ifconfig: Sequence[Any]
    millis: float | None
    mem_free: float | None
    mem_alloc: float | None
    freq: float | None
    statvfs: Sequence[Any]
    pu_commit_version: str | None


@frozen
class UnitModel:
    """``current_commit_version`` is what the device reported, ``built_commit`` what its archive
    holds; ``unit_nodes`` is empty unless asked for."""

    uuid: UUID
    visibility_level: Visibility
    name: str
    create_datetime: datetime
    is_auto_update_from_repo_unit: bool
    target_firmware_platform: str | None
    repo_branch: str | None
    repo_commit: str | None
    unit_state: UnitStateModel | None
    current_commit_version: str | None
    last_update_datetime: datetime
    creator_uuid: UUID
    repo_uuid: UUID
    firmware_update_status: UpdateStatus | None
    firmware_update_error: str | None
    last_firmware_update_datetime: datetime | None
    unit_nodes: Sequence[NodeModel]
    built_commit: str | None
    is_online: bool
    last_seen_datetime: datetime | None


@frozen
class UnitsModel:
    count: int
    units: Sequence[UnitModel]


@frozen
class UnitLogModel:
    uuid: UUID
    level: LogLevel
    unit_uuid: UUID
    text: str
    create_datetime: datetime
    expiration_datetime: datetime


@frozen
class UnitLogsModel:
    count: int
    unit_logs: Sequence[UnitLogModel]


def unit_state_model(state: UnitState) -> UnitStateModel:
    return UnitStateModel(
        ifconfig=state.ifconfig,
        millis=state.millis,
        mem_free=state.mem_free,
        mem_alloc=state.mem_alloc,
        freq=state.freq,
        statvfs=state.statvfs,
        pu_commit_version=state.pu_commit_version,
    )


def unit_model(unit: Unit, nodes: Iterable[Node] = ()) -> UnitModel:
    return UnitModel(
        uuid=unit.uuid,
        visibility_level=unit.visibility_level,
        name=unit.name,
        create_datetime=naive_utc(unit.create_datetime),
        is_auto_update_from_repo_unit=unit.is_auto_update_from_repo_unit,
        target_firmware_platform=unit.target_firmware_platform,
        repo_branch=unit.repo_branch,
        repo_commit=unit.repo_commit,
        unit_state=None if unit.unit_state is None else unit_state_model(unit.unit_state),
        current_commit_version=unit.current_commit_version,
        last_update_datetime=naive_utc(unit.last_update_datetime),
        creator_uuid=unit.creator_uuid,
        repo_uuid=unit.repo_uuid,
        firmware_update_status=unit.update.status,
        firmware_update_error=unit.update.error,
        last_firmware_update_datetime=naive_utc_or_none(unit.update.sent_datetime),
        unit_nodes=[node_model(node) for node in nodes],
        built_commit=unit.built_commit,
        is_online=unit.is_online,
        last_seen_datetime=naive_utc_or_none(unit.last_seen_datetime),
    )


def unit_log_model(entry: UnitLog) -> UnitLogModel:
    return UnitLogModel(
        uuid=entry.uuid,
        level=entry.level,
        unit_uuid=entry.unit_uuid,
        text=entry.text,
        create_datetime=naive_utc(entry.create_datetime),
        expiration_datetime=naive_utc(entry.expiration_datetime),
    )


@frozen
class VerdictModel:
    """``result`` is ``allow`` or ``deny``."""

    result: str


@frozen
class ImportedUnitModel:
    """``place`` is where the unit stands in the file; ``uuid`` is null on a dry run."""

    place: str
    name: str
    uuid: UUID | None


@frozen
class ImportViolationModel:
    place: str
    message: str


@frozen
class ImportModel:
    """``units`` were made, or would be; ``violations`` are told on a dry run."""

    is_dry_run: bool
    count: int
    units: Sequence[ImportedUnitModel]
    violations: Sequence[ImportViolationModel]


def import_model(
    units: Sequence[tuple[UnitDraft, Unit]],
    violations: Sequence[Violation],
    *,
    is_dry_run: bool,
) -> ImportModel:
    return ImportModel(
        is_dry_run,
        len(units),
        [
            ImportedUnitModel(draft.place, unit.name, None if is_dry_run else unit.uuid)
            for draft, unit in units
        ],
        [ImportViolationModel(place, message) for place, message in violations],
    )


@frozen
class CommandResultModel:
    """``error`` says why the command was not queued."""

    uuid: UUID
    is_queued: bool
    error: str | None

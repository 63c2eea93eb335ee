"""Read models of what is told to those who watch; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc, naive_utc_or_none
from pepeunit.codecs.rest.rollout import (
    RolloutModel,
    RolloutStageModel,
    rollout_model,
    stage_models,
)
from pepeunit.codecs.rest.unit import UnitLogModel, UnitStateModel, unit_log_model, unit_state_model
from pepeunit.domain.live.event import Event, EventKind
from pepeunit.domain.registries.registry import SyncStatus
from pepeunit.domain.units.update import UpdateStatus


@frozen
class UnitStateEventModel:
    """``uuid`` is the unit's."""

    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    unit_state: UnitStateModel | None
    current_commit_version: str | None


@frozen
class UnitPresenceEventModel:
    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    is_online: bool
    last_seen_datetime: datetime | None


@frozen
class UnitUpdateEventModel:
    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    firmware_update_status: UpdateStatus | None
    firmware_update_error: str | None
    last_firmware_update_datetime: datetime | None
    current_commit_version: str | None
    built_commit: str | None


@frozen
class UnitLogEventModel:
    """``uuid`` is the unit's; entries that were passed over are in its stored log."""

    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    entry: UnitLogModel


@frozen
class NodeValueEventModel:
    """``value`` is what was published, before any pipe; a snapshot's is the stored state."""

    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    value: str | None


@frozen
class RegistryProgressEventModel:
    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    sync_status: SyncStatus | None
    sync_progress: int | None
    sync_last_datetime: datetime | None


@frozen
class RolloutProgressEventModel:
    """``uuid`` is the repo's; ``rollout`` is its latest, ``stages`` those of it."""

    uuid: UUID
    moment: datetime
    passed_over: int
    is_snapshot: bool
    rollout: RolloutModel | None
    stages: Sequence[RolloutStageModel]


def event_model(event: Event) -> Any:
    """The model of the event's kind."""
    declared, fields = _MODELS[event.kind]
    return declared(
        event.uuid,
        naive_utc(event.moment),
        event.passed_over,
        event.is_snapshot,
        *fields(event.told),
    )


def _state(unit: Any) -> tuple[Any, ...]:
    state = unit.unit_state
    return (None if state is None else unit_state_model(state), unit.current_commit_version)


def _presence(presence: Any) -> tuple[Any, ...]:
    return presence.is_online, naive_utc_or_none(presence.last_seen_datetime)


def _update(unit: Any) -> tuple[Any, ...]:
    update = unit.update
    return (
        update.status,
        update.error,
        naive_utc_or_none(update.sent_datetime),
        unit.current_commit_version,
        unit.built_commit,
    )


def _registry(registry: Any) -> tuple[Any, ...]:
    last = naive_utc_or_none(registry.sync_last_datetime)
    return registry.sync_status, registry.sync_progress, last


def _rollout(progress: Any) -> tuple[Any, ...]:
    rollout = progress.rollout
    if rollout is None:
        return None, ()
    return rollout_model(rollout), stage_models(rollout, progress.counts)


_MODELS: Final[dict[EventKind, tuple[type, Callable[[Any], tuple[Any, ...]]]]] = {
    EventKind.UNIT_STATE: (UnitStateEventModel, _state),
    EventKind.UNIT_PRESENCE: (UnitPresenceEventModel, _presence),
    EventKind.UNIT_UPDATE: (UnitUpdateEventModel, _update),
    EventKind.UNIT_LOG: (UnitLogEventModel, lambda entry: (unit_log_model(entry),)),
    EventKind.NODE_VALUE: (NodeValueEventModel, lambda value: (value,)),
    EventKind.REGISTRY_PROGRESS: (RegistryProgressEventModel, _registry),
    EventKind.ROLLOUT_PROGRESS: (RolloutProgressEventModel, _rollout),
}

"""Something that happened to one thing, as it is told to whoever watches it (issue 5 part 3)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from attrs import field, frozen

from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.rollout import Rollout, StageCount
from pepeunit.domain.units.log import UnitLog
from pepeunit.domain.units.unit import Unit

ROW_BYTES: Final = 1024
"""What an event about a row is counted as: rows are shared, and short."""
ENTRY_BYTES: Final = 128


class EventKind(enum.Enum):
    """Keys are a kind and the uuid of a unit, a node, a registry or (rollouts) a repo."""

    UNIT_STATE = "unit_state"
    UNIT_PRESENCE = "unit_presence"
    UNIT_UPDATE = "unit_update"
    UNIT_LOG = "unit_log"
    NODE_VALUE = "node_value"
    REGISTRY_PROGRESS = "registry_progress"
    ROLLOUT_PROGRESS = "rollout_progress"


Key = tuple[EventKind, UUID]


@frozen
class Presence:
    is_online: bool
    last_seen_datetime: datetime | None


@frozen
class RolloutProgress:
    """``rollout`` None: there was none yet."""

    rollout: Rollout | None
    counts: tuple[StageCount, ...] = ()


Told = str | Presence | Unit | UnitLog | Registry | RolloutProgress | None
"""A node's value is text, or None where there is none."""


@frozen(eq=False)
class Event:
    """``passed_over`` events of the key came before it and are told by nothing but this count;
    ``is_snapshot``: it tells how things stood when watching began; ``is_repeated``: another process
    told it to every process."""

    kind: EventKind
    uuid: UUID
    moment: datetime
    told: Told = field(repr=False)
    size_bytes: int = ROW_BYTES
    passed_over: int = 0
    is_snapshot: bool = False
    is_repeated: bool = False

    @property
    def key(self) -> Key:
        return self.kind, self.uuid


def node_event(node: UUID, received_ms: int, payload: bytes, passed_over: int = 0) -> Event:
    """What a device published; bytes that are no text are shown as the replacement character."""
    return Event(
        EventKind.NODE_VALUE,
        node,
        datetime.fromtimestamp(received_ms / 1000, UTC),
        payload.decode(errors="replace"),
        len(payload) + ENTRY_BYTES,
        passed_over,
    )


def log_event(entry: UnitLog) -> Event:
    size = len(entry.text) + ENTRY_BYTES
    return Event(EventKind.UNIT_LOG, entry.unit_uuid, entry.create_datetime, entry, size)


def presence_event(unit: UUID, presence: Presence, now: datetime) -> Event:
    moment = presence.last_seen_datetime or now
    return Event(EventKind.UNIT_PRESENCE, unit, moment, presence)


def unit_events(unit: Unit, before: Unit | None, now: datetime) -> Iterable[Event]:
    """What differs from what was known of the unit; everything where nothing was."""
    if before is None or unit.state_datetime != before.state_datetime:
        yield Event(EventKind.UNIT_STATE, unit.uuid, unit.state_datetime or now, unit)
    update = (unit.update, unit.built_commit, unit.current_commit_version)
    if before is None or update != (
        before.update,
        before.built_commit,
        before.current_commit_version,
    ):
        yield Event(EventKind.UNIT_UPDATE, unit.uuid, now, unit)
    presence = Presence(unit.is_online, unit.last_seen_datetime)
    if before is None or presence != Presence(before.is_online, before.last_seen_datetime):
        yield presence_event(unit.uuid, presence, now)

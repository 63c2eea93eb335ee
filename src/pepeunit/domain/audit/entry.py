"""One row of the audit log (rulings 8, section 6)."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs
from attrs import frozen

from pepeunit.domain.access.agent import AgentKind
from pepeunit.domain.ids import AuditId, UserId

MASK: Final = "***"
MASKED: Final = frozenset({"password_hash", "kept_token_id", "digest", "sealed"})
"""Fields of which only the fact of their change is written down."""
OBSERVED: Final = frozenset(
    {
        "last_update_datetime",
        # an API token
        "last_use_datetime",
        # a registry after a sync
        "releases",
        "local_repository_size",
        "sync_status",
        "sync_error",
        "sync_progress",
        "sync_last_datetime",
        # a unit after a build or a report of its device
        "built_commit",
        "built_tag",
        "current_commit_version",
        "unit_state",
        "state_datetime",
        "update",
        "is_online",
        "last_seen_datetime",
        # a node after a change of its pipe
        "data_pipe_status",
        "data_pipe_error",
    }
)
"""Fields that follow from something else; nobody decided them."""
TEXT_LENGTH_MAX: Final = 200
CHANGES_MAX: Final = 50
"""More changes of one act are counted and not listed."""


class Outcome(enum.Enum):
    DONE = "Done"
    REFUSED = "Refused"


class Deed(enum.Enum):
    """What happened to one thing."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    SHOWN = "shown to an administrator"


@frozen
class Change:
    """``fields`` maps a name to the texts before and after; secrets are masked."""

    kind: str
    uuid: UUID
    deed: Deed
    fields: Mapping[str, tuple[str | None, str | None]] = {}


@frozen
class Subject:
    """The thing an act is about; ``owner`` may read of it."""

    kind: str
    uuid: UUID | None = None
    name: str = ""
    owner: UserId | None = None


@frozen
class AuditEntry:
    """``change_count`` may exceed the changes listed."""

    uuid: AuditId
    create_datetime: datetime
    agent_kind: AgentKind
    agent_uuid: UUID | None
    agent_name: str
    verb: str
    subject: Subject
    address: str
    outcome: Outcome
    changes: Sequence[Change] = ()
    change_count: int = 0


def difference(before: Any, after: Any) -> dict[str, tuple[str | None, str | None]]:
    """The decided fields in which two values of one attrs class differ, as texts."""
    found = {}
    for one in attrs.fields(type(after)):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if old == new or one.name in OBSERVED:
            continue
        masked = one.name in MASKED
        found[one.name] = (MASK, MASK) if masked else (_shown(old), _shown(new))
    return found


def _shown(value: object) -> str | None:
    if value is None:
        return None
    text = str(value.value if isinstance(value, enum.Enum) else value)
    return text if len(text) <= TEXT_LENGTH_MAX else text[:TEXT_LENGTH_MAX] + "…"

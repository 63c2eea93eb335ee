"""Statements that give the units of a rollout what became of their update."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DateTime,
    bindparam,
    case,
    exists,
    false,
    func,
    null,
    or_,
    true,
    update,
)

from pepeunit.adapters.postgres.rollout_tables import rollout_members
from pepeunit.adapters.postgres.tables import outbox, units
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.repos.rollout import TOLD, MemberState
from pepeunit.domain.units.update import UpdateStatus

_OF: Final = rollout_members.c.rollout_uuid == bindparam("uuid")
_NOW: Final = bindparam("now", type_=DateTime(timezone=True))
_IS_TOLD: Final = rollout_members.c.state.in_(sorted(state.value for state in TOLD))
TAKEN: Final = (
    update(rollout_members)
    .where(
        _OF,
        _IS_TOLD,
        ~rollout_members.c.has_taken,
        ~exists().where(
            outbox.c.unit_uuid == rollout_members.c.unit_uuid,
            outbox.c.kind == CommandKind.UPDATE.value,
        ),
    )
    .values(has_taken=True)
)
_IS_UPDATING: Final = rollout_members.c.state == MemberState.UPDATING.value
_SUCCEEDED: Final = func.coalesce(units.c.current_commit_version == bindparam("commit"), false())
_IS_UNTOLD: Final = ~rollout_members.c.has_taken & func.coalesce(
    units.c.built_commit == bindparam("commit"), false()
)
_IS_AWAY: Final = _IS_UPDATING & _IS_UNTOLD & ~units.c.is_online
_WAS_HERE: Final = func.coalesce(
    func.greatest(units.c.update_sent_datetime, units.c.last_seen_datetime)
    > bindparam("away_before", type_=DateTime(timezone=True)),
    false(),
)
_HAS_FAILED: Final = (units.c.update_status == UpdateStatus.ERROR.value) & or_(
    _IS_UPDATING, ~_IS_UNTOLD
)
SETTLE: Final = (
    update(rollout_members)
    .where(
        _OF,
        units.c.uuid == rollout_members.c.unit_uuid,
        _IS_TOLD,
        case((_SUCCEEDED, true()), (_IS_AWAY, ~_WAS_HERE), else_=_HAS_FAILED),
    )
    .values(
        state=case(
            (_SUCCEEDED, MemberState.SUCCEEDED.value),
            (_IS_AWAY, MemberState.OFFLINE.value),
            else_=MemberState.FAILED.value,
        ),
        error=case((or_(_SUCCEEDED, _IS_AWAY), null()), else_=units.c.update_error),
        settled_datetime=case((_SUCCEEDED, _NOW), (_IS_AWAY, null()), else_=_NOW),
    )
)

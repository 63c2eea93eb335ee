"""Rollouts in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Text,
    Uuid,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.rollout_settling import SETTLE, TAKEN
from pepeunit.adapters.postgres.rollout_tables import rollout_members, rollout_rules, rollouts
from pepeunit.adapters.postgres.selecting import one_of
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import units
from pepeunit.domain.ids import RepoId, RolloutId, UnitId
from pepeunit.domain.registries.version import Sha, Version
from pepeunit.domain.repos.rollout import (
    TOUCHED,
    Member,
    MemberState,
    Rollout,
    RolloutState,
    StageCount,
)
from pepeunit.domain.repos.rollout_rule import RolloutRule, RuleSource, read_rule, rule_document

_GET: Final = Prepared.of(select(rollouts).where(rollouts.c.uuid == bindparam("uuid")))
_PUT: Final = upsert(rollouts, "uuid")
_RULE: Final = select(rollout_rules.c.rule).where(rollout_rules.c.repo_uuid == bindparam("repo"))
_PUT_RULE: Final = upsert(rollout_rules, "repo_uuid")
_HISTORY: Final = (
    select(rollouts)
    .where(rollouts.c.repo_uuid == bindparam("repo"))
    .order_by(rollouts.c.create_datetime.desc(), rollouts.c.uuid.desc())
    .limit(bindparam("limit"))
)
_OF: Final = rollout_members.c.rollout_uuid == bindparam("uuid")
_UNFINISHED: Final = (
    select(rollouts.c.uuid)
    .where(
        or_(
            rollouts.c.state == RolloutState.RUNNING.value,
            (rollouts.c.state == RolloutState.FINISHED.value)
            & rollouts.c.settled_datetime.is_(None),
            (rollouts.c.state == RolloutState.RETURNED.value)
            & exists().where(
                rollout_members.c.rollout_uuid == rollouts.c.uuid,
                rollout_members.c.state.in_(sorted(state.value for state in TOUCHED)),
            ),
        )
    )
    .order_by(rollouts.c.uuid)
)
_WAITING: Final = (
    select(rollout_members.c.unit_uuid)
    .join_from(rollout_members, units, units.c.uuid == rollout_members.c.unit_uuid)
    .where(
        _OF,
        rollout_members.c.stage == bindparam("of_stage"),
        rollout_members.c.state == MemberState.WAITING.value,
    )
    .order_by(units.c.is_online.desc(), rollout_members.c.unit_uuid)
)
_COUNTS: Final = (
    select(rollout_members.c.stage, rollout_members.c.state, func.count().label("units"))
    .where(_OF)
    .group_by(rollout_members.c.stage, rollout_members.c.state)
    .order_by(rollout_members.c.stage, rollout_members.c.state.collate("C"))
)
_FAILED: Final = (
    select(func.count())
    .select_from(rollout_members)
    .where(
        _OF,
        rollout_members.c.state == MemberState.FAILED.value,
        rollout_members.c.settled_datetime >= bindparam("since"),
    )
)
_WAIT_AGAIN: Final = (
    update(rollout_members)
    .where(_OF, rollout_members.c.state == MemberState.RETURNED.value)
    .values(
        state=MemberState.WAITING.value,
        previous_commit=None,
        previous_tag=None,
        error=None,
        settled_datetime=None,
        has_taken=False,
    )
)
# The share lock keeps a unit from going between the look and the insert.
_PUT_MEMBERS: Final = text(
    """
    INSERT INTO rollout_members
    SELECT :uuid, unit, stage, state, previous_commit, previous_tag, error, settled, taken
    FROM unnest(:units, :stages, :states, :commits, :tags, :errors, :settled, :taken)
        AS given (unit, stage, state, previous_commit, previous_tag, error, settled, taken)
    JOIN (SELECT uuid FROM units WHERE uuid = ANY(:units) FOR KEY SHARE) AS present
        ON present.uuid = given.unit
    ON CONFLICT (rollout_uuid, unit_uuid) DO UPDATE SET
        stage = excluded.stage, state = excluded.state,
        previous_commit = excluded.previous_commit, previous_tag = excluded.previous_tag,
        error = excluded.error, settled_datetime = excluded.settled_datetime,
        has_taken = excluded.has_taken
    """
).bindparams(
    bindparam("uuid", type_=Uuid),
    bindparam("units", type_=ARRAY(Uuid)),
    bindparam("stages", type_=ARRAY(BigInteger)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("states", "commits", "tags", "errors")),
    bindparam("settled", type_=ARRAY(DateTime(timezone=True))),
    bindparam("taken", type_=ARRAY(Boolean)),
)


def to_rollout(row: Any) -> Rollout:
    return Rollout(
        uuid=row.uuid,
        repo_uuid=row.repo_uuid,
        version=Version(Sha(row.commit), row.tag),
        rule=read_rule(row.rule),
        source=RuleSource(row.source),
        ends=tuple(row.ends),
        create_datetime=row.create_datetime,
        last_update_datetime=row.last_update_datetime,
        counted_from_datetime=row.counted_from_datetime,
        state=RolloutState(row.state),
        reason=row.reason,
        stage=row.stage,
        settled_datetime=row.settled_datetime,
    )


def to_row(rollout: Rollout) -> dict[str, Any]:
    return {
        "uuid": rollout.uuid,
        "repo_uuid": rollout.repo_uuid,
        "commit": rollout.version.commit,
        "tag": rollout.version.tag,
        "rule": json.dumps(rule_document(rollout.rule)),
        "source": rollout.source.value,
        "ends": list(rollout.ends),
        "create_datetime": rollout.create_datetime,
        "last_update_datetime": rollout.last_update_datetime,
        "counted_from_datetime": rollout.counted_from_datetime,
        "state": rollout.state.value,
        "reason": rollout.reason,
        "stage": rollout.stage,
        "settled_datetime": rollout.settled_datetime,
    }


def to_member(row: Any) -> Member:
    previous = row.previous_commit and Version(Sha(row.previous_commit), row.previous_tag)
    return Member(
        unit_uuid=row.unit_uuid,
        stage=row.stage,
        state=MemberState(row.state),
        previous=previous or None,
        error=row.error,
        settled_datetime=row.settled_datetime,
        has_taken=row.has_taken,
    )


@frozen
class PostgresRollouts:
    """Implements :class:`~pepeunit.ports.rollouts.Rollouts`."""

    statements: Statements

    async def rule_of(self, repo: RepoId) -> RolloutRule | None:
        rule = (await self.statements.read(_RULE, {"repo": repo})).scalar_one_or_none()
        return None if rule is None else read_rule(rule)

    async def put_rule(self, repo: RepoId, rule: RolloutRule | None) -> None:
        if rule is None:
            await self.statements.write(
                delete(rollout_rules).where(rollout_rules.c.repo_uuid == repo)
            )
            return
        row = {"repo_uuid": repo, "rule": json.dumps(rule_document(rule))}
        await self.statements.write(_PUT_RULE, row)

    async def get(self, uuid: RolloutId, *, for_update: bool = False) -> Rollout | None:
        row = await self.statements.get(_GET, uuid, for_update=for_update)
        return to_rollout(row) if row is not None else None

    async def latest(self, repo: RepoId) -> Rollout | None:
        return next(iter(await self.history(repo, 1)), None)

    async def history(self, repo: RepoId, limit: int) -> Sequence[Rollout]:
        found = await self.statements.read(_HISTORY, {"repo": repo, "limit": limit})
        return tuple(map(to_rollout, found))

    async def unfinished(self) -> Sequence[RolloutId]:
        return (await self.statements.read(_UNFINISHED)).scalars().all()

    async def put(self, rollout: Rollout) -> None:
        await self.statements.write(_PUT, to_row(rollout))

    async def put_members(self, uuid: RolloutId, members: Sequence[Member]) -> None:
        if not members:
            return
        previous = [member.previous for member in members]
        await self.statements.write(
            _PUT_MEMBERS,
            {
                "uuid": uuid,
                "units": [member.unit_uuid for member in members],
                "stages": [member.stage for member in members],
                "states": [member.state.value for member in members],
                "commits": [version and version.commit for version in previous],
                "tags": [version and version.tag for version in previous],
                "errors": [member.error for member in members],
                "settled": [member.settled_datetime for member in members],
                "taken": [member.has_taken for member in members],
            },
        )

    async def members(
        self,
        uuid: RolloutId,
        states: Collection[MemberState],
        limit: int,
        *,
        among: Collection[UnitId] | None = None,
    ) -> Sequence[Member]:
        statement = (
            select(rollout_members)
            .where(
                rollout_members.c.rollout_uuid == uuid,
                rollout_members.c.state.in_(sorted(state.value for state in states)),
            )
            .order_by(rollout_members.c.unit_uuid)
            .limit(limit)
        )
        if among is not None:
            statement = statement.where(one_of(rollout_members.c.unit_uuid, among))
        return tuple(map(to_member, await self.statements.read(statement)))

    async def waiting(self, uuid: RolloutId, stage: int) -> Sequence[UnitId]:
        found = await self.statements.read(_WAITING, {"uuid": uuid, "of_stage": stage})
        return found.scalars().all()

    async def settle(self, rollout: Rollout, now: datetime, *, away_before: datetime) -> int:
        await self.statements.write(TAKEN, {"uuid": rollout.uuid})
        moments = {"now": now, "away_before": away_before}
        settled = await self.statements.write(
            SETTLE, {"uuid": rollout.uuid, "commit": rollout.commit, **moments}
        )
        return settled.rowcount

    async def counts(self, uuid: RolloutId) -> Sequence[StageCount]:
        return [
            StageCount(row.stage, MemberState(row.state), row.units)
            for row in await self.statements.read(_COUNTS, {"uuid": uuid})
        ]

    async def failed_since(self, uuid: RolloutId, since: datetime) -> int:
        found = await self.statements.read(_FAILED, {"uuid": uuid, "since": since})
        return int(found.scalar_one())

    async def wait_again(self, uuid: RolloutId) -> None:
        await self.statements.write(_WAIT_AGAIN, {"uuid": uuid})

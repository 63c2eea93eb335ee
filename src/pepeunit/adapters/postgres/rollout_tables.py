"""The tables of rollouts: rules, versions on their way, and the units they move."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    false,
)

from pepeunit.adapters.postgres.tables import JsonText, metadata

rollout_rules = Table(
    "rollout_rules",
    metadata,
    Column(
        "repo_uuid",
        Uuid,
        ForeignKey("repos.uuid", name="rollout_rules_repo_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("rule", JsonText, nullable=False),
    PrimaryKeyConstraint("repo_uuid", name="rollout_rules_pkey"),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("uuid", Uuid, nullable=False),
    Column(
        "repo_uuid",
        Uuid,
        ForeignKey("repos.uuid", name="rollouts_repo_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("commit", Text, nullable=False),
    Column("tag", Text, nullable=True),
    Column("rule", JsonText, nullable=False),
    Column("source", Text, nullable=False),
    Column("ends", ARRAY(BigInteger), nullable=False),
    Column("create_datetime", DateTime(timezone=True), nullable=False),
    Column("last_update_datetime", DateTime(timezone=True), nullable=False),
    Column("counted_from_datetime", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=True),
    Column("stage", BigInteger, nullable=False),
    Column("settled_datetime", DateTime(timezone=True), nullable=True),
    PrimaryKeyConstraint("uuid", name="rollouts_pkey"),
)
Index("rollouts_repo_index", rollouts.c.repo_uuid, rollouts.c.create_datetime, rollouts.c.uuid)

rollout_members = Table(
    "rollout_members",
    metadata,
    Column(
        "rollout_uuid",
        Uuid,
        ForeignKey("rollouts.uuid", name="rollout_members_rollout_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    Column(
        "unit_uuid",
        Uuid,
        ForeignKey("units.uuid", name="rollout_members_unit_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("stage", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("previous_commit", Text, nullable=True),
    Column("previous_tag", Text, nullable=True),
    Column("error", Text, nullable=True),
    Column("settled_datetime", DateTime(timezone=True), nullable=True),
    Column("has_taken", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("rollout_uuid", "unit_uuid", name="rollout_members_pkey"),
    # Room beside each row for its next state, which then touches no index.
    postgresql_with={"fillfactor": 70},
)
Index("rollout_members_unit_index", rollout_members.c.unit_uuid)

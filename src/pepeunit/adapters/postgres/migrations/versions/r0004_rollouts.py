"""Rollouts: rules, versions on their way, and the units they move."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0002"


def upgrade() -> None:
    op.create_table(
        "rollout_rules",
        sa.Column("repo_uuid", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_uuid"], ["repos.uuid"], name="rollout_rules_repo_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_uuid", name="rollout_rules_pkey"),
    )
    op.create_table(
        "rollouts",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("repo_uuid", sa.Uuid(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ends", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_update_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_from_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stage", sa.BigInteger(), nullable=False),
        sa.Column("settled_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["repo_uuid"], ["repos.uuid"], name="rollouts_repo_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid", name="rollouts_pkey"),
    )
    op.create_index("rollouts_repo_index", "rollouts", ["repo_uuid", "create_datetime", "uuid"])
    op.create_table(
        "rollout_members",
        sa.Column("rollout_uuid", sa.Uuid(), nullable=False),
        sa.Column("unit_uuid", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("previous_commit", sa.Text(), nullable=True),
        sa.Column("previous_tag", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("settled_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["rollout_uuid"],
            ["rollouts.uuid"],
            name="rollout_members_rollout_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["unit_uuid"], ["units.uuid"], name="rollout_members_unit_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rollout_uuid", "unit_uuid", name="rollout_members_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("rollout_members_unit_index", "rollout_members", ["unit_uuid"])

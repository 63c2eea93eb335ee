"""Rotated unit tokens, invites and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    op.add_column("units", sa.Column("old_token_generation", sa.BigInteger(), nullable=True))
    op.add_column("units", sa.Column("old_token_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "units_old_token_index",
        "units",
        ["old_token_until"],
        unique=False,
        postgresql_where=sa.text("old_token_until IS NOT NULL"),
    )

    op.create_table(
        "invites",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expiration_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["creator_uuid"], ["users.uuid"], name="invites_creator_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid", name="invites_pkey"),
        sa.UniqueConstraint("digest", name="invites_digest_unique"),
    )
    op.create_index("invites_creator_index", "invites", ["creator_uuid"], unique=False)

    op.create_table(
        "audit",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_kind", sa.Text(), nullable=False),
        sa.Column("agent_uuid", sa.Uuid(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_uuid", sa.Uuid(), nullable=True),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("owner_uuid", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSON(), nullable=False),
        sa.Column("change_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="audit_pkey"),
    )
    op.create_index("audit_create_index", "audit", ["create_datetime", "uuid"], unique=False)
    op.create_index(
        "audit_owner_index", "audit", ["owner_uuid", "create_datetime", "uuid"], unique=False
    )
    op.create_index(
        "audit_subject_index", "audit", ["subject_uuid", "create_datetime"], unique=False
    )

"""API tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("units", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expiration_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_use_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["creator_uuid"], ["users.uuid"], name="api_tokens_creator_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid", name="api_tokens_pkey"),
        sa.UniqueConstraint("digest", name="api_tokens_digest_unique"),
    )
    op.create_index("api_tokens_creator_index", "api_tokens", ["creator_uuid"])

"""Who runs the pipes, and how far they have got."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0020"
down_revision = "r0009"


def upgrade() -> None:
    op.create_table(
        "pipeline_seat",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("journal", sa.Uuid(), nullable=False),
        sa.Column("applied_version", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("number", name="pipeline_seat_pkey"),
        sa.CheckConstraint("number = 1", name="pipeline_seat_one"),
    )

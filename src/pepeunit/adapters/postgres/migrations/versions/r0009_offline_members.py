"""Members of rollouts know whether their device has taken the command."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    op.add_column(
        "rollout_members",
        sa.Column("has_taken", sa.Boolean(), nullable=False, server_default=sa.false()),
    )

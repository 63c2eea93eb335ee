"""Unit logs live in the column store (decision 0016).

No rows are moved: no version was released that kept any here.
"""

from __future__ import annotations

from alembic import op

revision = "r0006"
down_revision = "r0004"


def upgrade() -> None:
    op.drop_table("unit_logs")

"""Alembic's environment: one transaction on the connection that :func:`migrate` passes."""

from __future__ import annotations

from alembic import context

from pepeunit.adapters.postgres.migrations import CONNECTION, VERSION_TABLE
from pepeunit.adapters.postgres.tables import metadata

context.configure(
    connection=context.config.attributes[CONNECTION],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

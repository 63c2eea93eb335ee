"""Pipes: how a node's series is read, and which pipes changed since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"

VERSIONED = "data_pipe_yml, is_data_pipe_active, series_generation"


def upgrade() -> None:
    op.add_column(
        "nodes", sa.Column("series_generation", sa.BigInteger(), nullable=False, server_default="1")
    )
    op.add_column(
        "nodes", sa.Column("series_seq", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column(
        "nodes",
        sa.Column(
            "series_trims",
            sa.ARRAY(sa.BigInteger()),
            nullable=False,
            server_default=sa.text("'{}'"),
        ),
    )
    op.add_column("nodes", sa.Column("pipe_version", sa.BigInteger(), nullable=True))
    op.create_index("nodes_pipe_version_index", "nodes", ["pipe_version"])
    op.execute("CREATE SEQUENCE nodes_pipe_versions OWNED BY nodes.pipe_version")
    op.execute("CREATE SEQUENCE nodes_series_generations START 2 OWNED BY nodes.series_generation")
    op.execute(
        """
        CREATE FUNCTION number_pipe() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.pipe_version := nextval('nodes_pipe_versions');
            RETURN NEW;
        END $$
        """
    )
    # A row that is copied in from a backup brings its version.
    op.execute(
        """
        CREATE TRIGGER nodes_pipe_added BEFORE INSERT ON nodes FOR EACH ROW
        WHEN (NEW.data_pipe_yml IS NOT NULL AND NEW.pipe_version IS NULL)
        EXECUTE FUNCTION number_pipe()
        """
    )
    op.execute(
        f"""
        CREATE TRIGGER nodes_pipe_changed BEFORE UPDATE OF {VERSIONED} ON nodes FOR EACH ROW
        WHEN (
            (NEW.data_pipe_yml, NEW.is_data_pipe_active, NEW.series_generation)
            IS DISTINCT FROM
            (OLD.data_pipe_yml, OLD.is_data_pipe_active, OLD.series_generation)
        )
        EXECUTE FUNCTION number_pipe()
        """
    )
    op.execute(
        "UPDATE nodes SET pipe_version = nextval('nodes_pipe_versions')"
        " WHERE data_pipe_yml IS NOT NULL"
    )

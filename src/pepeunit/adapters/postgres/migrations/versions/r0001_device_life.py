"""Everything a device's life needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "permissions",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("agent_uuid", sa.Uuid(), nullable=False),
        sa.Column("agent_type", sa.Text(), nullable=False),
        sa.Column("resource_uuid", sa.Uuid(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agent_uuid", "resource_uuid", name="permissions_pkey"),
    )
    op.create_index("permissions_resource_index", "permissions", ["resource_uuid"], unique=False)

    op.create_table(
        "unit_logs",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("unit_uuid", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expiration_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="unit_logs_pkey"),
    )
    op.create_index(
        "unit_logs_expiration_index", "unit_logs", ["expiration_datetime"], unique=False
    )
    op.create_index(
        "unit_logs_unit_index", "unit_logs", ["unit_uuid", "create_datetime", "uuid"], unique=False
    )

    op.create_table(
        "users",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grafana_org_name", sa.Text(), nullable=False),
        sa.Column("grafana_org_id", sa.Text(), nullable=True),
        sa.Column("telegram_chat_id", sa.Text(), nullable=True),
        sa.Column("token_generation", sa.BigInteger(), nullable=False),
        sa.Column("kept_token_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("uuid", name="users_pkey"),
    )
    op.create_index("users_create_index", "users", ["create_datetime", "uuid"], unique=False)
    op.create_index("users_login_unique", "users", [sa.literal_column("lower(login)")], unique=True)

    op.create_table(
        "registries",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("repository_url", sa.Text(), nullable=False),
        sa.Column("is_public_repository", sa.Boolean(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_update_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=True),
        sa.Column("releases", sa.JSON(), nullable=True),
        sa.Column("local_repository_size", sa.BigInteger(), nullable=False),
        sa.Column("sync_status", sa.Text(), nullable=True),
        sa.Column("sync_error", sa.Text(), nullable=True),
        sa.Column("sync_progress", sa.BigInteger(), nullable=True),
        sa.Column("sync_last_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["creator_uuid"], ["users.uuid"], name="registries_creator_fkey"),
        sa.PrimaryKeyConstraint("uuid", name="registries_pkey"),
        sa.UniqueConstraint("repository_url", name="registries_repository_url_unique"),
    )
    op.create_index("registries_creator_index", "registries", ["creator_uuid"], unique=False)

    op.create_table(
        "registry_credentials",
        sa.Column("registry_uuid", sa.Uuid(), nullable=False),
        sa.Column("user_uuid", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["registry_uuid"],
            ["registries.uuid"],
            name="credentials_registry_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_uuid"], ["users.uuid"], name="credentials_user_fkey"),
        sa.PrimaryKeyConstraint("registry_uuid", "user_uuid", name="registry_credentials_pkey"),
    )
    op.create_index(
        "registry_credentials_user_index", "registry_credentials", ["user_uuid"], unique=False
    )

    op.create_table(
        "repos",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("visibility_level", sa.Text(), nullable=False),
        sa.Column("repository_registry_uuid", sa.Uuid(), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_update_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("default_branch", sa.Text(), nullable=True),
        sa.Column("default_commit", sa.Text(), nullable=True),
        sa.Column("is_auto_update_repo", sa.Boolean(), nullable=False),
        sa.Column("is_only_tag_update", sa.Boolean(), nullable=False),
        sa.Column("is_compilable_repo", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["creator_uuid"], ["users.uuid"], name="repos_creator_fkey"),
        sa.ForeignKeyConstraint(
            ["repository_registry_uuid"], ["registries.uuid"], name="repos_registry_fkey"
        ),
        sa.PrimaryKeyConstraint("uuid", name="repos_pkey"),
        sa.UniqueConstraint("name", name="repos_name_unique"),
    )
    op.create_index("repos_creator_index", "repos", ["creator_uuid"], unique=False)
    op.create_index("repos_registry_index", "repos", ["repository_registry_uuid"], unique=False)

    op.create_table(
        "units",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("visibility_level", sa.Text(), nullable=False),
        sa.Column("repo_uuid", sa.Uuid(), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_update_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_auto_update_from_repo_unit", sa.Boolean(), nullable=False),
        sa.Column("target_firmware_platform", sa.Text(), nullable=True),
        sa.Column("repo_branch", sa.Text(), nullable=True),
        sa.Column("repo_commit", sa.Text(), nullable=True),
        sa.Column("built_commit", sa.Text(), nullable=True),
        sa.Column("built_tag", sa.Text(), nullable=True),
        sa.Column("current_commit_version", sa.Text(), nullable=True),
        sa.Column("unit_state", sa.JSON(), nullable=True),
        sa.Column("state_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("update_status", sa.Text(), nullable=True),
        sa.Column("update_error", sa.Text(), nullable=True),
        sa.Column("update_sent_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("update_failures", sa.BigInteger(), nullable=False),
        sa.Column("update_retry_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_generation", sa.BigInteger(), nullable=False),
        sa.Column("is_online", sa.Boolean(), nullable=False),
        sa.Column("last_seen_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["creator_uuid"], ["users.uuid"], name="units_creator_fkey"),
        sa.ForeignKeyConstraint(["repo_uuid"], ["repos.uuid"], name="units_repo_fkey"),
        sa.PrimaryKeyConstraint("uuid", name="units_pkey"),
        sa.UniqueConstraint("name", name="units_name_unique"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("units_create_index", "units", ["create_datetime", "uuid"], unique=False)
    op.create_index("units_creator_index", "units", ["creator_uuid"], unique=False)
    op.create_index("units_repo_index", "units", ["repo_uuid"], unique=False)
    op.create_index(
        "units_sent_index",
        "units",
        ["update_sent_datetime"],
        unique=False,
        postgresql_where=sa.text("update_sent_datetime IS NOT NULL"),
    )

    op.create_table(
        "nodes",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("topic_name", sa.Text(), nullable=False),
        sa.Column("unit_uuid", sa.Uuid(), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=False),
        sa.Column("visibility_level", sa.Text(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_update_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_rewritable_input", sa.Boolean(), nullable=False),
        sa.Column("max_connections", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("state_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_data_pipe_active", sa.Boolean(), nullable=False),
        sa.Column("data_pipe_yml", sa.Text(), nullable=True),
        sa.Column("data_pipe_status", sa.Text(), nullable=True),
        sa.Column("data_pipe_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["creator_uuid"], ["users.uuid"], name="nodes_creator_fkey"),
        sa.ForeignKeyConstraint(
            ["unit_uuid"], ["units.uuid"], name="nodes_unit_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid", name="nodes_pkey"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("nodes_create_index", "nodes", ["create_datetime", "uuid"], unique=False)
    op.create_index("nodes_creator_index", "nodes", ["creator_uuid"], unique=False)
    op.create_index(
        "nodes_name_unique",
        "nodes",
        ["unit_uuid", "type", sa.literal_column("md5(topic_name)")],
        unique=True,
    )

    op.create_table(
        "outbox",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("unit_uuid", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("create_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("retry_datetime", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["unit_uuid"], ["units.uuid"], name="outbox_unit_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_uuid", "kind", name="outbox_pkey"),
    )
    op.create_index("outbox_create_index", "outbox", ["create_datetime", "uuid"], unique=False)
    op.create_index("outbox_uuid_index", "outbox", ["uuid"], unique=False)

    op.create_table(
        "sealed_texts",
        sa.Column("unit_uuid", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["unit_uuid"], ["units.uuid"], name="sealed_texts_unit_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_uuid", "kind", name="sealed_texts_pkey"),
    )

    op.create_table(
        "edges",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("node_output_uuid", sa.Uuid(), nullable=False),
        sa.Column("node_input_uuid", sa.Uuid(), nullable=False),
        sa.Column("creator_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["creator_uuid"], ["users.uuid"], name="edges_creator_fkey"),
        sa.ForeignKeyConstraint(
            ["node_input_uuid"], ["nodes.uuid"], name="edges_input_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["node_output_uuid"], ["nodes.uuid"], name="edges_output_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid", name="edges_pkey"),
        sa.UniqueConstraint("node_output_uuid", "node_input_uuid", name="edges_nodes_unique"),
    )
    op.create_index("edges_creator_index", "edges", ["creator_uuid"], unique=False)
    op.create_index("edges_input_index", "edges", ["node_input_uuid"], unique=False)

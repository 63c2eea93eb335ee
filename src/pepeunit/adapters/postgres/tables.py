"""The tables and the names of their constraints, which decide how a clash is told."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.types import UserDefinedType

LOGIN_UNIQUE: Final = "users_login_unique"
REPOSITORY_URL_UNIQUE: Final = "registries_repository_url_unique"
REPO_NAME_UNIQUE: Final = "repos_name_unique"
UNIT_NAME_UNIQUE: Final = "units_name_unique"
NODE_NAME_UNIQUE: Final = "nodes_name_unique"
EDGE_UNIQUE: Final = "edges_nodes_unique"
EDGE_KEY: Final = "edges_pkey"
PERMISSION_KEY: Final = "permissions_pkey"
REPO_REGISTRY: Final = "repos_registry_fkey"
UNIT_REPO: Final = "units_repo_fkey"
REPO_CREATOR: Final = "repos_creator_fkey"
UNIT_CREATOR: Final = "units_creator_fkey"
NODE_CREATOR: Final = "nodes_creator_fkey"
PIPELINE_SEAT_KEY: Final = "pipeline_seat_pkey"


class JsonText(UserDefinedType[Any]):
    """A ``json`` column that takes text, so that the encoder is ours; the driver decodes it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"


metadata = MetaData()


def _uuid(name: str, *rest: Any, nullable: bool = False) -> Column[Any]:
    return Column(name, Uuid, *rest, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False)


def _number(name: str, *, nullable: bool = False, **rest: Any) -> Column[Any]:
    return Column(name, BigInteger, nullable=nullable, **rest)


def _to(target: str, name: str, on_delete: str | None = None) -> ForeignKey:
    return ForeignKey(target, name=name, ondelete=on_delete)


users = Table(
    "users",
    metadata,
    _uuid("uuid"),
    _text("login"),
    _text("role"),
    _text("status"),
    _text("password_hash"),
    _time("create_datetime"),
    _text("grafana_org_name"),
    _text("grafana_org_id", nullable=True),
    _text("telegram_chat_id", nullable=True),
    _number("token_generation"),
    _text("kept_token_id", nullable=True),
    PrimaryKeyConstraint("uuid", name="users_pkey"),
)
Index(LOGIN_UNIQUE, func.lower(users.c.login), unique=True)
Index("users_create_index", users.c.create_datetime, users.c.uuid)

registries = Table(
    "registries",
    metadata,
    _uuid("uuid"),
    _text("platform"),
    _text("repository_url"),
    _flag("is_public_repository"),
    _time("create_datetime"),
    _time("last_update_datetime"),
    _uuid("creator_uuid", _to("users.uuid", "registries_creator_fkey"), nullable=True),
    Column("releases", JsonText, nullable=True),
    _number("local_repository_size"),
    _text("sync_status", nullable=True),
    _text("sync_error", nullable=True),
    _number("sync_progress", nullable=True),
    _time("sync_last_datetime", nullable=True),
    PrimaryKeyConstraint("uuid", name="registries_pkey"),
    UniqueConstraint("repository_url", name=REPOSITORY_URL_UNIQUE),
)
Index("registries_creator_index", registries.c.creator_uuid)

credentials = Table(
    "registry_credentials",
    metadata,
    _uuid("registry_uuid", _to("registries.uuid", "credentials_registry_fkey", "CASCADE")),
    _uuid("user_uuid", _to("users.uuid", "credentials_user_fkey")),
    _text("sealed"),
    _text("status"),
    Column("ordinal", BigInteger, Identity(always=True), nullable=False),
    PrimaryKeyConstraint("registry_uuid", "user_uuid", name="registry_credentials_pkey"),
)
Index("registry_credentials_user_index", credentials.c.user_uuid)

repos = Table(
    "repos",
    metadata,
    _uuid("uuid"),
    _text("name"),
    _text("visibility_level"),
    _uuid("repository_registry_uuid", _to("registries.uuid", REPO_REGISTRY)),
    _uuid("creator_uuid", _to("users.uuid", REPO_CREATOR)),
    _time("create_datetime"),
    _time("last_update_datetime"),
    _text("default_branch", nullable=True),
    _text("default_commit", nullable=True),
    _flag("is_auto_update_repo"),
    _flag("is_only_tag_update"),
    _flag("is_compilable_repo"),
    PrimaryKeyConstraint("uuid", name="repos_pkey"),
    UniqueConstraint("name", name=REPO_NAME_UNIQUE),
)
Index("repos_registry_index", repos.c.repository_registry_uuid)
Index("repos_creator_index", repos.c.creator_uuid)

units = Table(
    "units",
    metadata,
    _uuid("uuid"),
    _text("name"),
    _text("visibility_level"),
    _uuid("repo_uuid", _to("repos.uuid", UNIT_REPO)),
    _uuid("creator_uuid", _to("users.uuid", UNIT_CREATOR)),
    _time("create_datetime"),
    _time("last_update_datetime"),
    _flag("is_auto_update_from_repo_unit"),
    _text("target_firmware_platform", nullable=True),
    _text("repo_branch", nullable=True),
    _text("repo_commit", nullable=True),
    _text("built_commit", nullable=True),
    _text("built_tag", nullable=True),
    _text("current_commit_version", nullable=True),
    Column("unit_state", JsonText, nullable=True),
    _time("state_datetime", nullable=True),
    _text("update_status", nullable=True),
    _text("update_error", nullable=True),
    _time("update_sent_datetime", nullable=True),
    _number("update_failures"),
    _time("update_retry_datetime", nullable=True),
    _number("token_generation"),
    _number("old_token_generation", nullable=True),
    _time("old_token_until", nullable=True),
    _flag("is_online"),
    _time("last_seen_datetime", nullable=True),
    PrimaryKeyConstraint("uuid", name="units_pkey"),
    UniqueConstraint("name", name=UNIT_NAME_UNIQUE),
    postgresql_with={"fillfactor": 70},
)
Index("units_repo_index", units.c.repo_uuid)
Index("units_creator_index", units.c.creator_uuid)
Index("units_create_index", units.c.create_datetime, units.c.uuid)
Index(
    "units_sent_index",
    units.c.update_sent_datetime,
    postgresql_where=units.c.update_sent_datetime.is_not(None),
)
Index(
    "units_old_token_index",
    units.c.old_token_until,
    postgresql_where=units.c.old_token_until.is_not(None),
)

sealed_texts = Table(
    "sealed_texts",
    metadata,
    _uuid("unit_uuid", _to("units.uuid", "sealed_texts_unit_fkey", "CASCADE")),
    _text("kind"),
    _text("sealed"),
    PrimaryKeyConstraint("unit_uuid", "kind", name="sealed_texts_pkey"),
)

nodes = Table(
    "nodes",
    metadata,
    _uuid("uuid"),
    _text("type"),
    _text("topic_name"),
    _uuid("unit_uuid", _to("units.uuid", "nodes_unit_fkey", "CASCADE")),
    _uuid("creator_uuid", _to("users.uuid", NODE_CREATOR)),
    _text("visibility_level"),
    _time("create_datetime"),
    _time("last_update_datetime"),
    _flag("is_rewritable_input"),
    _number("max_connections"),
    _text("state", nullable=True),
    _time("state_datetime", nullable=True),
    _flag("is_data_pipe_active"),
    _text("data_pipe_yml", nullable=True),
    _text("data_pipe_status", nullable=True),
    _text("data_pipe_error", nullable=True),
    # What follows is the pipes' own: no node that is put touches it.
    _number("series_generation", server_default=text("1")),
    _number("series_seq", server_default=text("0")),
    Column(
        "series_trims", ARRAY(BigInteger), nullable=False, server_default=text("'{}'::bigint[]")
    ),
    _number("pipe_version", nullable=True, server_default=FetchedValue()),
    PrimaryKeyConstraint("uuid", name="nodes_pkey"),
    # Room beside each row for its next state: a batch then touches no index, five times faster.
    postgresql_with={"fillfactor": 50},
)
# A topic name may be longer than an index entry, hence the digest.
Index(NODE_NAME_UNIQUE, nodes.c.unit_uuid, nodes.c.type, func.md5(nodes.c.topic_name), unique=True)
Index("nodes_creator_index", nodes.c.creator_uuid)
Index("nodes_create_index", nodes.c.create_datetime, nodes.c.uuid)
Index("nodes_pipe_version_index", nodes.c.pipe_version)
PIPE_VERSIONS: Final = Sequence("nodes_pipe_versions")
SERIES_GENERATIONS: Final = Sequence("nodes_series_generations")

edges = Table(
    "edges",
    metadata,
    _uuid("uuid"),
    _uuid("node_output_uuid", _to("nodes.uuid", "edges_output_fkey", "CASCADE")),
    _uuid("node_input_uuid", _to("nodes.uuid", "edges_input_fkey", "CASCADE")),
    _uuid("creator_uuid", _to("users.uuid", "edges_creator_fkey")),
    PrimaryKeyConstraint("uuid", name=EDGE_KEY),
    UniqueConstraint("node_output_uuid", "node_input_uuid", name=EDGE_UNIQUE),
)
Index("edges_input_index", edges.c.node_input_uuid)
Index("edges_creator_index", edges.c.creator_uuid)

permissions = Table(
    "permissions",
    metadata,
    _uuid("uuid"),
    _uuid("agent_uuid"),
    _text("agent_type"),
    _uuid("resource_uuid"),
    _text("resource_type"),
    PrimaryKeyConstraint("agent_uuid", "resource_uuid", name=PERMISSION_KEY),
)
Index("permissions_resource_index", permissions.c.resource_uuid)

outbox = Table(
    "outbox",
    metadata,
    _uuid("uuid"),
    _uuid("unit_uuid", _to("units.uuid", "outbox_unit_fkey", "CASCADE")),
    _text("kind"),
    _text("payload"),
    _time("create_datetime"),
    _number("attempts"),
    _time("retry_datetime", nullable=True),
    PrimaryKeyConstraint("unit_uuid", "kind", name="outbox_pkey"),
)
Index("outbox_create_index", outbox.c.create_datetime, outbox.c.uuid)
Index("outbox_uuid_index", outbox.c.uuid)

SEAT: Final = 1
"""The number of the one row of ``pipeline_seat``."""
pipeline_seat = Table(
    "pipeline_seat",
    metadata,
    Column("number", Integer, nullable=False),
    _uuid("journal"),
    Column("applied_version", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("number", name=PIPELINE_SEAT_KEY),
    CheckConstraint(f"number = {SEAT}", name="pipeline_seat_one"),
)

"""The tables of invites, API tokens and the audit log."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from pepeunit.adapters.postgres.tables import JsonText, metadata

CREATOR: Final = ForeignKey("users.uuid", name="invites_creator_fkey", ondelete="CASCADE")
HOLDER: Final = ForeignKey("users.uuid", name="api_tokens_creator_fkey", ondelete="CASCADE")

invites = Table(
    "invites",
    metadata,
    Column("uuid", Uuid, nullable=False),
    Column("digest", Text, nullable=False),
    Column("creator_uuid", Uuid, CREATOR, nullable=False),
    Column("create_datetime", DateTime(timezone=True), nullable=False),
    Column("expiration_datetime", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("uuid", name="invites_pkey"),
    UniqueConstraint("digest", name="invites_digest_unique"),
)
Index("invites_creator_index", invites.c.creator_uuid)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("uuid", Uuid, nullable=False),
    Column("digest", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("creator_uuid", Uuid, HOLDER, nullable=False),
    Column("scope", Text, nullable=False),
    Column("units", ARRAY(Uuid), nullable=True),
    Column("create_datetime", DateTime(timezone=True), nullable=False),
    Column("expiration_datetime", DateTime(timezone=True), nullable=True),
    Column("last_use_datetime", DateTime(timezone=True), nullable=True),
    PrimaryKeyConstraint("uuid", name="api_tokens_pkey"),
    UniqueConstraint("digest", name="api_tokens_digest_unique"),
)
Index("api_tokens_creator_index", api_tokens.c.creator_uuid)

# Rows outlive what they tell of, hence no foreign keys.
audit = Table(
    "audit",
    metadata,
    Column("uuid", Uuid, nullable=False),
    Column("create_datetime", DateTime(timezone=True), nullable=False),
    Column("agent_kind", Text, nullable=False),
    Column("agent_uuid", Uuid, nullable=True),
    Column("agent_name", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_uuid", Uuid, nullable=True),
    Column("subject_name", Text, nullable=False),
    Column("owner_uuid", Uuid, nullable=True),
    Column("address", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("changes", JsonText, nullable=False),
    Column("change_count", BigInteger, nullable=False),
    PrimaryKeyConstraint("uuid", name="audit_pkey"),
)
Index("audit_create_index", audit.c.create_datetime, audit.c.uuid)
Index("audit_owner_index", audit.c.owner_uuid, audit.c.create_datetime, audit.c.uuid)
Index("audit_subject_index", audit.c.subject_uuid, audit.c.create_datetime)

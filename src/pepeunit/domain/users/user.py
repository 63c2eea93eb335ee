"""A registered person (spec access.md 2)."""

from __future__ import annotations

import enum
from datetime import datetime

from attrs import frozen

from pepeunit.domain.ids import UserId


class UserRole(enum.Enum):
    USER = "User"
    ADMIN = "Admin"


class UserStatus(enum.Enum):
    UNVERIFIED = "Unverified"
    VERIFIED = "Verified"
    BLOCKED = "Blocked"


@frozen
class User:
    """``token_generation`` rises when every issued token must end; the one whose ``jti`` is
    ``kept_token_id`` lives on: the session that changed the password (rulings 17)."""

    uuid: UserId
    login: str
    role: UserRole
    status: UserStatus
    password_hash: str
    create_datetime: datetime
    grafana_org_name: str
    grafana_org_id: str | None = None
    telegram_chat_id: str | None = None
    token_generation: int = 0
    kept_token_id: str | None = None

    def accepts_token(self, generation: int, token_id: str | None) -> bool:
        """Whether a token that was issued in this generation, with this ``jti``, has not ended."""
        is_kept = token_id is not None and token_id == self.kept_token_id
        return is_kept or generation == self.token_generation

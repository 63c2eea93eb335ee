"""Read models of accounts (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.users.user import User, UserRole, UserStatus


@frozen
class UserModel:
    uuid: UUID
    role: UserRole
    status: UserStatus
    login: str
    grafana_org_name: str
    grafana_org_id: str | None
    create_datetime: datetime


@frozen
class UsersModel:
    count: int
    users: Sequence[UserModel]


@frozen
class TokenModel:
    token: str


def user_model(user: User) -> UserModel:
    return UserModel(
        uuid=user.uuid,
        role=user.role,
        status=user.status,
        login=user.login,
        grafana_org_name=user.grafana_org_name,
        grafana_org_id=user.grafana_org_id,
        create_datetime=naive_utc(user.create_datetime),
    )

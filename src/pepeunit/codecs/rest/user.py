"""Read models of accounts (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.users.registration import Invite
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


@frozen
class InviteModel:
    uuid: UUID
    creator_uuid: UUID
    create_datetime: datetime
    expiration_datetime: datetime


@frozen
class NewInviteModel(InviteModel):
    """``invite`` is what the new person sends."""

    invite: str


@frozen
class InvitesModel:
    count: int
    invites: Sequence[InviteModel]


def invite_model(invite: Invite) -> InviteModel:
    return InviteModel(
        uuid=invite.uuid,
        creator_uuid=invite.creator_uuid,
        create_datetime=naive_utc(invite.create_datetime),
        expiration_datetime=naive_utc(invite.expiration_datetime),
    )


def new_invite_model(invite: Invite, text: str) -> NewInviteModel:
    return NewInviteModel(**asdict(invite_model(invite)), invite=text)

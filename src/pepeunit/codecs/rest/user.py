"""Read models of accounts (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.access.restriction import TokenScope
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


@frozen
class ApiTokenModel:
    """``hint`` is the last letters of the token before its checksum."""

    uuid: UUID
    name: str
    hint: str
    scope: TokenScope
    unit_uuids: Sequence[UUID] | None
    create_datetime: datetime
    expiration_datetime: datetime | None
    last_use_datetime: datetime | None


@frozen
class NewApiTokenModel:
    """``token`` is what a script sends; it is shown this once."""

    api_token: ApiTokenModel
    token: str


@frozen
class ApiTokensModel:
    count: int
    api_tokens: Sequence[ApiTokenModel]


def api_token_model(token: ApiToken) -> ApiTokenModel:
    expires, used = token.expiration_datetime, token.last_use_datetime
    return ApiTokenModel(
        uuid=token.uuid,
        name=token.name,
        hint=token.hint,
        scope=token.scope,
        unit_uuids=None if token.units is None else sorted(token.units),
        create_datetime=naive_utc(token.create_datetime),
        expiration_datetime=None if expires is None else naive_utc(expires),
        last_use_datetime=None if used is None else naive_utc(used),
    )

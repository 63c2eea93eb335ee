"""Invites, roles, sessions and the end of accounts over REST; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import frozen

from pepeunit.codecs.rest.user import (
    InvitesModel,
    NewInviteModel,
    UserModel,
    invite_model,
    new_invite_model,
    user_model,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import InviteId, UserId
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.http.route import Route
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.invites import CreateInvite, ListInvites, RevokeInvite
from pepeunit.usecases.users.sign_out import SignOutEverywhere, SignOutUser


@frozen
class AccountPath:
    uuid: UserId


@frozen
class InvitePath:
    uuid: InviteId


@frozen
class NewInvite:
    """A week when not said otherwise."""

    expires_in_seconds: int | None = None

    @property
    def lifetime(self) -> timedelta | None:
        if self.expires_in_seconds is None:
            return None
        seconds = min(self.expires_in_seconds, SECONDS_MAX)
        return timedelta(seconds=max(seconds, 0))


SECONDS_MAX = 10**9
"""Beyond every lifetime that is allowed, and still a duration that can be computed with."""


@frozen
class RolePatch:
    role: UserRole


@frozen
class Heir:
    """Without ``transfer_to`` repos and units go with the account."""

    transfer_to: UserId | None = None


@frozen
class AccountDoor:
    create_invite: CreateInvite
    list_invites: ListInvites
    revoke_invite: RevokeInvite
    change_role: ChangeRole
    sign_out_everywhere: SignOutEverywhere
    sign_out_user: SignOutUser
    delete_user: DeleteUser

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/users/invites", self.invite, status=201),
            Route.of("GET", "/users/invites", self.invites),
            Route.of("DELETE", "/users/invites/{uuid}", self.take_back),
            Route.of("PATCH", "/users/role/{uuid}", self.set_role),
            Route.of("POST", "/users/sign_out_everywhere", self.sign_out),
            Route.of("POST", "/users/sign_out/{uuid}", self.sign_out_another),
            Route.of("DELETE", "/users/{uuid}", self.delete),
        )

    async def invite(self, agent: Agent, body: NewInvite) -> NewInviteModel:
        """Make an invite, for administrators; its text is shown this once."""
        invite, text = await self.create_invite(agent, body.lifetime)
        return new_invite_model(invite, text)

    async def invites(self, agent: Agent) -> InvitesModel:
        """The invites that still wait for somebody, for administrators."""
        found = await self.list_invites(agent)
        return InvitesModel(len(found), [invite_model(invite) for invite in found])

    async def take_back(self, agent: Agent, path: InvitePath) -> None:
        """Revoke an invite, for administrators."""
        await self.revoke_invite(agent, path.uuid)

    async def set_role(self, agent: Agent, path: AccountPath, body: RolePatch) -> UserModel:
        """Promote or demote, for administrators; one administrator always stays."""
        return user_model(await self.change_role(agent, path.uuid, body.role))

    async def sign_out(self, agent: Agent) -> None:
        """End every token of one's own account, that of this call included."""
        await self.sign_out_everywhere(agent)

    async def sign_out_another(self, agent: Agent, path: AccountPath) -> None:
        """End every token of an account, for administrators."""
        await self.sign_out_user(agent, path.uuid)

    async def delete(self, agent: Agent, path: AccountPath, query: Heir) -> None:
        """Delete one's own account, or any for administrators, and hand its things over."""
        await self.delete_user(agent, path.uuid, query.transfer_to)

"""Invites over GraphQL; not in the reference's contract."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.user import (
    InviteModel,
    InvitesModel,
    NewInviteModel,
    invite_model,
    new_invite_model,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import InviteId
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done
from pepeunit.usecases.users.invites import CreateInvite, ListInvites, RevokeInvite


@frozen
class InviteDoor:
    create_invite: CreateInvite
    list_invites: ListInvites
    revoke_invite: RevokeInvite

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="users",
            collection="invites",
            queries={"getInvites": self.invites},
            mutations={"createInvite": self.invite, "revokeInvite": self.take_back},
            outputs={
                "InviteType": InviteModel,
                "InvitesResultType": InvitesModel,
                "NewInviteType": NewInviteModel,
            },
        )

    async def invite(self, agent: Agent, expires_in_seconds: int | None) -> NewInviteModel:
        lifetime = None
        if expires_in_seconds is not None:
            lifetime = timedelta(seconds=max(expires_in_seconds, 0))
        made, text = await self.create_invite(agent, lifetime)
        return new_invite_model(made, text)

    async def invites(self, agent: Agent) -> InvitesModel:
        found = await self.list_invites(agent)
        return InvitesModel(len(found), [invite_model(one) for one in found])

    async def take_back(self, agent: Agent, uuid: UUID) -> Done:
        await self.revoke_invite(agent, InviteId(uuid))
        return DONE

"""API tokens over GraphQL; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.user import (
    ApiTokenModel,
    ApiTokensModel,
    NewApiTokenModel,
    api_token_model,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.ids import ApiTokenId, UnitId
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done
from pepeunit.usecases.users.api_tokens import (
    ApiTokenSettings,
    CreateApiToken,
    ListApiTokens,
    RevokeApiToken,
)


@frozen
class NewApiToken:
    """Null for all units, and until it is revoked."""

    name: str
    scope: TokenScope
    unit_uuids: Sequence[UUID] | None
    expires_in_seconds: int | None

    @property
    def settings(self) -> ApiTokenSettings:
        seconds, units = self.expires_in_seconds, self.unit_uuids
        return ApiTokenSettings(
            self.name,
            self.scope,
            None if units is None else frozenset(map(UnitId, units)),
            None if seconds is None else timedelta(seconds=seconds),
        )


@frozen
class ApiTokenDoor:
    create_api_token: CreateApiToken
    list_api_tokens: ListApiTokens
    revoke_api_token: RevokeApiToken

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="users",
            collection="api_tokens",
            queries={"getApiTokens": self.tokens},
            mutations={"createApiToken": self.make_token, "deleteApiToken": self.revoke_token},
            inputs={"ApiTokenCreateInput": NewApiToken},
            outputs={
                "ApiTokenType": ApiTokenModel,
                "NewApiTokenType": NewApiTokenModel,
                "ApiTokensResultType": ApiTokensModel,
            },
            enums={"ApiTokenScope": TokenScope},
        )

    async def make_token(self, agent: Agent, api_token: NewApiToken) -> NewApiTokenModel:
        token, text = await self.create_api_token(agent, api_token.settings)
        return NewApiTokenModel(api_token_model(token), text)

    async def tokens(self, agent: Agent) -> ApiTokensModel:
        found = await self.list_api_tokens(agent)
        return ApiTokensModel(len(found), [api_token_model(token) for token in found])

    async def revoke_token(self, agent: Agent, uuid: UUID) -> Done:
        await self.revoke_api_token(agent, ApiTokenId(uuid))
        return DONE

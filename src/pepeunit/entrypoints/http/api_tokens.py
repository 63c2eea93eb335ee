"""API tokens over REST; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import frozen

from pepeunit.codecs.rest.user import (
    ApiTokensModel,
    NewApiTokenModel,
    api_token_model,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.ids import ApiTokenId, UnitId
from pepeunit.entrypoints.http.paging import set_of
from pepeunit.entrypoints.http.route import Route
from pepeunit.usecases.users.api_tokens import (
    ApiTokenSettings,
    CreateApiToken,
    ListApiTokens,
    RevokeApiToken,
)

SECONDS_MAX = 10**9
"""Beyond every lifetime that is allowed, and still a duration that can be computed with."""


@frozen
class ApiTokenPath:
    uuid: ApiTokenId


@frozen
class NewApiToken:
    """Without ``unit_uuids`` for all units, without ``expires_in_seconds`` until it is revoked."""

    name: str
    scope: TokenScope
    unit_uuids: tuple[UnitId, ...] | None = None
    expires_in_seconds: int | None = None

    @property
    def settings(self) -> ApiTokenSettings:
        seconds = self.expires_in_seconds
        lifetime = None if seconds is None else timedelta(seconds=max(min(seconds, SECONDS_MAX), 0))
        return ApiTokenSettings(self.name, self.scope, set_of(self.unit_uuids), lifetime)


@frozen
class ApiTokenDoor:
    create_api_token: CreateApiToken
    list_api_tokens: ListApiTokens
    revoke_api_token: RevokeApiToken

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/users/api_tokens", self.make_token, status=201),
            Route.of("GET", "/users/api_tokens", self.tokens),
            Route.of("DELETE", "/users/api_tokens/{uuid}", self.revoke_token),
        )

    async def make_token(self, agent: Agent, body: NewApiToken) -> NewApiTokenModel:
        """Make a token for a script; its text is shown this once.

        Scope ``read`` looks, ``control`` also commands and sets inputs, ``own`` also changes one's
        own things. None of them touches accounts, tokens, credentials or permissions, none
        administrates, none opens an MQTT session.
        """
        token, text = await self.create_api_token(agent, body.settings)
        return NewApiTokenModel(api_token_model(token), text)

    async def tokens(self, agent: Agent) -> ApiTokensModel:
        """One's own API tokens with their last use, to the minute."""
        found = await self.list_api_tokens(agent)
        return ApiTokensModel(len(found), [api_token_model(token) for token in found])

    async def revoke_token(self, agent: Agent, path: ApiTokenPath) -> None:
        """End an API token at once."""
        await self.revoke_api_token(agent, path.uuid)

"""Device tokens over REST (rulings 16); not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import UnitId
from pepeunit.entrypoints.http.route import Route
from pepeunit.usecases.units.tokens import RevokeUnitToken, RotateUnitToken


@frozen
class TokenPath:
    uuid: UnitId


@frozen
class TokenDoor:
    rotate_token: RotateUnitToken
    revoke_token: RevokeUnitToken

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/units/rotate_token/{uuid}", self.rotate),
            Route.of("POST", "/units/revoke_token/{uuid}", self.revoke),
        )

    async def rotate(self, agent: Agent, path: TokenPath) -> None:
        """Give a unit a new token; the old one lasts until the new one is used, a day at most.

        ``EnvUpdate`` is sent to it.
        """
        await self.rotate_token(agent, path.uuid)

    async def revoke(self, agent: Agent, path: TokenPath) -> None:
        """End a unit's token at once; it needs a new env.json by hand."""
        await self.revoke_token(agent, path.uuid)

"""Who may open an MQTT session, and under which client id (rulings 28 and 29)."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.api_tokens import is_api_token
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.errors import Conflict, Topic, Unauthenticated
from pepeunit.domain.ids import UnitId
from pepeunit.ports.database import Database
from pepeunit.usecases.access.authenticate import Authenticate

PLATFORM_CLIENT_PREFIX = "pepeunit-"


@frozen
class AdmitDevice:
    """A unit or the platform itself, known by its token (the MQTT user name)."""

    database: Database
    authenticate: Authenticate
    domain: str

    async def __call__(self, token: str, client_id: str) -> Agent:
        """Raises ``Unauthenticated`` for the token, ``Conflict`` (topic mqtt) for a client id
        that belongs to somebody else."""
        if is_api_token(token):
            raise Unauthenticated("an API token opens no MQTT session")
        agent = await self.authenticate(token)
        require_kind(agent, AgentKind.UNIT, AgentKind.BACKEND)
        if agent.kind is AgentKind.UNIT and await self._belongs_to_another(agent, client_id):
            raise Conflict("this client id belongs to another subject", Topic.MQTT)
        return agent

    async def _belongs_to_another(self, agent: Agent, client_id: str) -> bool:
        if client_id == self.domain or client_id.startswith(PLATFORM_CLIENT_PREFIX):
            return True
        try:
            uuid = UUID(client_id)
        except ValueError:
            return False
        if uuid == agent.uuid:
            return False
        async with self.database.read() as rows:
            return await rows.units.get(UnitId(uuid)) is not None

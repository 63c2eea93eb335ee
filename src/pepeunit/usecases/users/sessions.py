"""What a session may do once it has ended: nothing, not even what it had begun (W26)."""

from __future__ import annotations

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.users.user import User


def require_session(agent: Agent, user: User) -> None:
    """Raise ``Unauthenticated`` when the session ended after the request was let in. ``user`` is
    the locked row: what ends sessions waits for whoever has it, or was there before."""
    if not user.accepts_token(agent.generation, agent.token_id):
        raise Unauthenticated("token is revoked")

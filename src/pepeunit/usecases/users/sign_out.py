"""End every token of an account (spec access.md W26, rulings 17)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_admin, require_kind, require_person
from pepeunit.domain.errors import NotFound
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User
from pepeunit.ports.database import Database, Transaction
from pepeunit.usecases.users.api_tokens import end_api_tokens


def with_tokens_ended(user: User) -> User:
    """The account with every session ended, the caller's own included."""
    return evolve(user, token_generation=user.token_generation + 1, kept_token_id=None)


async def user_to_change(tx: Transaction, uuid: UserId | None) -> User:
    """The locked row. Raises ``NotFound``."""
    user = await tx.users.get(uuid, for_update=True) if uuid is not None else None
    if user is None:
        raise NotFound("user not found")
    return user


async def _sign_out(tx: Transaction, uuid: UserId | None) -> None:
    user = await user_to_change(tx, uuid)
    await tx.users.put(with_tokens_ended(user))
    await end_api_tokens(tx, user.uuid)


@frozen
class SignOutEverywhere:
    """One's own account; the token of this very call ends too."""

    database: Database

    async def __call__(self, agent: Agent) -> None:
        require_kind(agent, AgentKind.USER)
        require_person(agent)
        async with self.database.begin() as tx:
            await _sign_out(tx, agent.user_id)


@frozen
class SignOutUser:
    """An administrator ends somebody's tokens."""

    database: Database

    async def __call__(self, agent: Agent, uuid: UserId) -> None:
        require_admin(agent)
        async with self.database.begin() as tx:
            await _sign_out(tx, uuid)

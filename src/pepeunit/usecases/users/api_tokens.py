"""API tokens: make, list, revoke, and end them with a password (issue 5 part 5, decision 0106)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.api_tokens import (
    API_TOKEN_LIFETIME_MAX,
    API_TOKEN_UNITS_MAX,
    API_TOKENS_MAX,
    ApiToken,
    api_token_digest,
    api_token_hint,
    api_token_text,
    name_violations,
)
from pepeunit.domain.access.policy import Action, require_kind, require_person
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.errors import Forbidden, Invalid, NotFound, OverLimit, Throttled, Topic
from pepeunit.domain.ids import ApiTokenId, UnitId, UserId
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.identifiers import NewSecret, NewUuid
from pepeunit.ports.throttle import Throttle
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.users.sessions import require_session


def _person(agent: Agent) -> UserId:
    require_kind(agent, AgentKind.USER)
    require_person(agent)
    if agent.user_id is None:
        raise Forbidden("only a User may do this")
    return agent.user_id


async def end_api_tokens(tx: Transaction, user: UserId) -> None:
    """What ends every session of an account ends its API tokens too."""
    for token in await tx.api_tokens.of_user(user):
        await tx.api_tokens.delete(token.uuid)


@frozen
class ApiTokenSettings:
    """``units`` None is no limit; ``lifetime`` None lasts until the token is revoked."""

    name: str
    scope: TokenScope
    units: frozenset[UnitId] | None = None
    lifetime: timedelta | None = None


def _violations(settings: ApiTokenSettings) -> list[tuple[str, str]]:
    found = list(name_violations(settings.name))
    lifetime, units = settings.lifetime, settings.units
    if lifetime is not None and not timedelta(0) < lifetime <= API_TOKEN_LIFETIME_MAX:
        seconds = API_TOKEN_LIFETIME_MAX.total_seconds()
        found.append(("expires_in_seconds", f"must be 1 to {seconds:.0f}"))
    if units is not None and not 1 <= len(units) <= API_TOKEN_UNITS_MAX:
        found.append(("unit_uuids", f"must name 1 to {API_TOKEN_UNITS_MAX} units"))
    return found


@frozen
class CreateApiToken:
    """At most API_TOKENS_MAX a person; ``tries_max`` in the throttle's window."""

    database: Database
    throttle: Throttle
    clock: Clock
    new_uuid: NewUuid
    new_secret: NewSecret
    tries_max: int

    async def __call__(self, agent: Agent, settings: ApiTokenSettings) -> tuple[ApiToken, str]:
        """The token and its text, which is shown this once.

        Raises ``Invalid`` (topic user) with every violation, ``NotFound`` for a unit that the
        person does not see, ``OverLimit`` (topic entity), ``Throttled``, ``Unauthenticated`` when
        the session ended meanwhile: no token outlives a password that was changed before.
        """
        user = _person(agent)
        if violations := _violations(settings):
            raise Invalid(violations, Topic.USER)
        self._count(user)
        text, now = api_token_text(b64decode(self.new_secret())), self.clock()
        token = ApiToken(
            uuid=ApiTokenId(self.new_uuid()),
            digest=api_token_digest(text),
            hint=api_token_hint(text),
            name=settings.name,
            creator_uuid=user,
            scope=settings.scope,
            units=settings.units,
            create_datetime=now,
            expiration_datetime=None if settings.lifetime is None else now + settings.lifetime,
        )
        async with self.database.begin() as tx:
            await self._admit(tx, agent, user, now)
            for unit in sorted(settings.units or ()):
                await unit_for(tx, agent, Action.SEE, unit)
            await tx.api_tokens.put(token)
        return token, text

    def _count(self, user: UserId) -> None:
        key = f"api tokens: {user}"
        wait = self.throttle.wait_seconds(key)
        if wait is not None:
            raise Throttled(
                "too many new API tokens",
                Topic.ACCESS,
                limit=self.tries_max,
                actual=self.tries_max,
                retry_after_seconds=wait,
            )
        self.throttle.record(key)

    async def _admit(self, tx: Transaction, agent: Agent, user: UserId, now: datetime) -> None:
        """Locked on the person's row, so that calls at once do not pass the limit together, and
        none passes what ended the session."""
        person = await tx.users.get(user, for_update=True)
        if person is None:
            raise NotFound("user not found")
        require_session(agent, person)
        await tx.api_tokens.purge(now)
        count = len(await tx.api_tokens.of_user(user))
        if count >= API_TOKENS_MAX:
            raise OverLimit(
                f"you have {count} API tokens of at most {API_TOKENS_MAX}",
                Topic.ENTITY,
                limit=API_TOKENS_MAX,
                actual=count,
            )


@frozen
class ListApiTokens:
    """One's own, newest first, expired ones too until the next is made."""

    database: Database

    async def __call__(self, agent: Agent) -> Sequence[ApiToken]:
        user = _person(agent)
        async with self.database.read() as rows:
            return await rows.api_tokens.of_user(user)


@frozen
class RevokeApiToken:
    """The very next request with it is refused."""

    database: Database

    async def __call__(self, agent: Agent, uuid: ApiTokenId) -> None:
        """Raises ``NotFound`` alike for an absent token and for another person's."""
        user = _person(agent)
        async with self.database.begin() as tx:
            token = await tx.api_tokens.get(uuid)
            if token is None or token.creator_uuid != user:
                raise NotFound("token not found")
            await tx.api_tokens.delete(uuid)

"""Accounts over REST (spec rest.md 8.1)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.codecs.rest.strict import Secret
from pepeunit.codecs.rest.user import TokenModel, UserModel, UsersModel, user_model
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.entrypoints.http.paging import newest_first, order_by, set_of, slice_of
from pepeunit.entrypoints.http.route import SMALL_BODY_BYTES_MAX, Call, Route
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.edit_user import EditUser
from pepeunit.usecases.users.read_users import GetUser, ListUsers
from pepeunit.usecases.users.sign_in import SignIn
from pepeunit.usecases.users.sign_up import SignUp


@frozen
class UserPath:
    uuid: UserId


@frozen
class OwnPath:
    """Any text; another user's uuid is refused."""

    uuid: str

    @property
    def user_id(self) -> UserId | None:
        try:
            return UserId(UUID(self.uuid))
        except ValueError:
            return None


@frozen
class NewUser:
    login: str
    password: Secret
    invite: Secret | None = None


@frozen
class SignInBody:
    """``credentials`` is the login."""

    credentials: str
    password: Secret


@frozen
class UserPatch:
    """Empty and null leave things as they are."""

    login: str | None = None
    password: Secret | None = None


@frozen(kw_only=True)
class UserList(Paged):
    uuids: tuple[UUID, ...] | None = None
    search_string: str | None = None
    role: tuple[UserRole, ...] | None = None
    status: tuple[UserStatus, ...] | None = None
    order_by_create_date: Direction | None = None


@frozen
class UserDoor:
    sign_up: SignUp
    sign_in: SignIn
    get_user: GetUser
    list_users: ListUsers
    edit_user: EditUser
    block_user: BlockUser
    unblock_user: UnblockUser

    def routes(self) -> Sequence[Route]:
        return (
            Route.of(
                "POST", "/users", self.create, status=201, body_bytes_max=SMALL_BODY_BYTES_MAX
            ),
            Route.of("POST", "/users/auth", self.authenticate, body_bytes_max=SMALL_BODY_BYTES_MAX),
            Route.of("GET", "/users/{uuid}", self.get),
            Route.of("GET", "/users", self.find),
            Route.of("PATCH", "/users/{uuid}", self.edit),
            Route.of("PATCH", "/users/block/{uuid}", self.block),
            Route.of("PATCH", "/users/unblock/{uuid}", self.unblock),
        )

    async def create(self, agent: Agent, body: NewUser) -> UserModel:
        """Register; for callers without a token, and with an invite where one is needed."""
        require_kind(agent, AgentKind.BOT)  # a platform token too must be dropped first
        user = await self.sign_up(agent, body.login, body.password, invite=body.invite)
        return user_model(user)

    async def authenticate(self, agent: Agent, body: SignInBody, call: Call) -> TokenModel:
        """Exchange a login and password for a token; throttled per account and address."""
        token = await self.sign_in(agent, body.credentials, body.password, call.address)
        return TokenModel(token)

    async def get(self, agent: Agent, path: UserPath) -> UserModel:
        """One account."""
        return user_model(await self.get_user(agent, path.uuid))

    async def find(self, agent: Agent, query: UserList) -> UsersModel:
        """Accounts, newest first; search looks at the login."""
        page = await self.list_users(
            agent,
            UserQuery(
                uuids=set_of(query.uuids),
                search=query.search_string,
                roles=set_of(query.role),
                statuses=set_of(query.status),
                order=order_by(newest_first(query.order_by_create_date)),
                slice=slice_of(query),
            ),
        )
        return UsersModel(page.count, [user_model(user) for user in page.items])

    async def edit(self, agent: Agent, path: OwnPath, body: UserPatch) -> UserModel:
        """Change one's own login or password; a new password ends every other token."""
        return user_model(await self.edit_user(agent, path.user_id, body.login, body.password))

    async def block(self, agent: Agent, path: UserPath) -> None:
        """Block an account, for administrators; its tokens end and its units disconnect."""
        await self.block_user(agent, path.uuid)

    async def unblock(self, agent: Agent, path: UserPath) -> None:
        """Let a blocked account in again, for administrators."""
        await self.unblock_user(agent, path.uuid)

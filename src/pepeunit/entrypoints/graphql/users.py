"""Accounts over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import field, frozen

from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.codecs.rest.user import UserModel, UsersModel, user_model
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.entrypoints.graphql.door import Call, Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done, among, members, ordered, slice_of
from pepeunit.ports.paging import OrderKey
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.edit_user import EditUser
from pepeunit.usecases.users.read_users import GetUser, ListUsers
from pepeunit.usecases.users.sign_in import SignIn
from pepeunit.usecases.users.sign_out import SignOutEverywhere, SignOutUser
from pepeunit.usecases.users.sign_up import SignUp


@frozen
class Entry:
    """``credentials`` is the login."""

    credentials: str
    password: str = field(repr=False)


@frozen
class NewUser:
    login: str
    password: str = field(repr=False)
    invite: str | None = field(repr=False)


@frozen
class UserPatch:
    """Null leaves a value as it is."""

    login: str | None
    password: str | None = field(repr=False)


@frozen(kw_only=True)
class UserFilter(Paged):
    uuids: Sequence[UUID] | None
    search_string: str | None
    role: Sequence[UserRole] | None
    status: Sequence[UserStatus] | None
    order_by_create_date: Direction | None


@frozen
class UserDoor:
    sign_up: SignUp
    sign_in: SignIn
    get_user: GetUser
    list_users: ListUsers
    edit_user: EditUser
    block_user: BlockUser
    unblock_user: UnblockUser
    change_role: ChangeRole
    sign_out_everywhere: SignOutEverywhere
    sign_out_user: SignOutUser
    delete_user: DeleteUser

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="users",
            collection="users",
            queries={"getToken": self.authenticate, "getUser": self.get, "getUsers": self.find},
            mutations={
                "createUser": self.create,
                "updateUser": self.edit,
                "blockUser": self.block,
                "unblockUser": self.unblock,
                "changeRole": self.set_role,
                "signOutEverywhere": self.sign_out,
                "signOutUser": self.sign_out_another,
                "deleteUser": self.delete,
            },
            inputs={
                "UserAuthInput": Entry,
                "UserCreateInput": NewUser,
                "UserUpdateInput": UserPatch,
                "UserFilterInput": UserFilter,
            },
            outputs={"UserType": UserModel, "UsersResultType": UsersModel, "NoneType": Done},
            enums={"UserRole": UserRole, "UserStatus": UserStatus},
            told=frozenset({"getToken"}),
        )

    async def authenticate(self, agent: Agent, data: Entry, call: Call) -> str:
        return await self.sign_in(agent, data.credentials, data.password, call.address)

    async def get(self, agent: Agent, uuid: UUID) -> UserModel:
        return user_model(await self.get_user(agent, UserId(uuid)))

    async def find(self, agent: Agent, filters: UserFilter) -> UsersModel:
        page = await self.list_users(
            agent,
            UserQuery(
                uuids=among(filters.uuids),
                search=filters.search_string,
                roles=members(filters.role, UserRole),
                statuses=members(filters.status, UserStatus),
                order=ordered(
                    frozenset(),
                    ("orderByCreateDate", OrderKey.CREATE_DATETIME, filters.order_by_create_date),
                ),
                slice=slice_of(filters),
            ),
        )
        return UsersModel(page.count, [user_model(user) for user in page.items])

    async def create(self, agent: Agent, user: NewUser) -> UserModel:
        require_kind(agent, AgentKind.BOT)  # a platform token too must be dropped first
        made = await self.sign_up(agent, user.login, user.password, invite=user.invite)
        return user_model(made)

    async def edit(self, agent: Agent, user: UserPatch) -> UserModel:
        return user_model(await self.edit_user(agent, None, user.login, user.password))

    async def block(self, agent: Agent, uuid: UUID) -> Done:
        await self.block_user(agent, UserId(uuid))
        return DONE

    async def unblock(self, agent: Agent, uuid: UUID) -> Done:
        await self.unblock_user(agent, UserId(uuid))
        return DONE

    async def set_role(self, agent: Agent, uuid: UUID, role: UserRole) -> UserModel:
        return user_model(await self.change_role(agent, UserId(uuid), role))

    async def sign_out(self, agent: Agent) -> Done:
        await self.sign_out_everywhere(agent)
        return DONE

    async def sign_out_another(self, agent: Agent, uuid: UUID) -> Done:
        await self.sign_out_user(agent, UserId(uuid))
        return DONE

    async def delete(self, agent: Agent, uuid: UUID, transfer_to: UUID | None) -> Done:
        heir = None if transfer_to is None else UserId(transfer_to)
        await self.delete_user(agent, UserId(uuid), heir)
        return DONE

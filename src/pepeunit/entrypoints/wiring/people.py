"""People: accounts and what they share."""

from __future__ import annotations

from dependency_injector import providers

from pepeunit.domain.users.registration import Registration
from pepeunit.entrypoints.wiring.programs import ProgramUseCases
from pepeunit.usecases.access.explain_access import ExplainAccess, ListAccess
from pepeunit.usecases.nodes.check_links import CheckLinks
from pepeunit.usecases.permissions.create_permission import CreatePermission
from pepeunit.usecases.permissions.delete_permission import DeletePermission
from pepeunit.usecases.permissions.list_permissions import ListPermissions
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.api_tokens import CreateApiToken, ListApiTokens, RevokeApiToken
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.edit_user import EditUser
from pepeunit.usecases.users.first_admin import EnsureAdmin, ResetPassword
from pepeunit.usecases.users.invites import CreateInvite, ListInvites, RevokeInvite
from pepeunit.usecases.users.read_users import GetUser, ListUsers
from pepeunit.usecases.users.sign_in import SignIn
from pepeunit.usecases.users.sign_out import SignOutEverywhere, SignOutUser
from pepeunit.usecases.users.sign_up import SignUp

One = providers.Singleton


class PeopleUseCases(ProgramUseCases):
    """Accounts, sign-in, invites, permissions."""

    # users
    sign_up = One(
        SignUp,
        database=ProgramUseCases.database,
        passwords=ProgramUseCases.passwords,
        clock=ProgramUseCases.clock,
        new_uuid=ProgramUseCases.new_uuid,
        first_user_is_admin=ProgramUseCases.settings.provided.features.first_user_admin,
        registration=providers.Callable(
            Registration, ProgramUseCases.settings.provided.people.registration
        ),
        name_symbols=ProgramUseCases.name_symbols,
        password_symbols=ProgramUseCases.password_symbols,
    )
    sign_in = One(
        SignIn,
        database=ProgramUseCases.database,
        passwords=ProgramUseCases.passwords,
        tokens=ProgramUseCases.tokens,
        throttle=ProgramUseCases.ports.throttle,
        clock=ProgramUseCases.clock,
        new_uuid=ProgramUseCases.new_uuid,
        token_seconds=ProgramUseCases.settings.provided.people.auth_token_expiration_seconds,
        tries_max=ProgramUseCases.settings.provided.people.login_tries_max,
    )
    get_user = One(GetUser, database=ProgramUseCases.database)
    list_users = One(ListUsers, database=ProgramUseCases.database)
    edit_user = One(
        EditUser,
        database=ProgramUseCases.database,
        passwords=ProgramUseCases.passwords,
        name_symbols=ProgramUseCases.name_symbols,
        password_symbols=ProgramUseCases.password_symbols,
    )
    sign_out_everywhere = One(SignOutEverywhere, database=ProgramUseCases.database)
    sign_out_user = One(SignOutUser, database=ProgramUseCases.database)
    change_role = One(ChangeRole, database=ProgramUseCases.database)
    create_invite = One(
        CreateInvite,
        database=ProgramUseCases.database,
        clock=ProgramUseCases.clock,
        new_uuid=ProgramUseCases.new_uuid,
        new_secret=ProgramUseCases.new_secret,
    )
    list_invites = One(ListInvites, database=ProgramUseCases.database, clock=ProgramUseCases.clock)
    revoke_invite = One(RevokeInvite, database=ProgramUseCases.database)
    delete_user = One(
        DeleteUser,
        database=ProgramUseCases.database,
        builder=ProgramUseCases.builder,
        drain=ProgramUseCases.drain,
        sessions=ProgramUseCases.sessions,
        logs=ProgramUseCases.logs,
    )
    block_user = One(
        BlockUser, database=ProgramUseCases.database, sessions=ProgramUseCases.sessions
    )
    unblock_user = One(UnblockUser, database=ProgramUseCases.database)
    ensure_admin = One(
        EnsureAdmin,
        database=ProgramUseCases.database,
        sign_up=sign_up,
        new_secret=ProgramUseCases.new_secret,
    )
    reset_password = One(
        ResetPassword,
        database=ProgramUseCases.database,
        passwords=ProgramUseCases.passwords,
        new_secret=ProgramUseCases.new_secret,
    )

    # API tokens
    create_api_token = One(
        CreateApiToken,
        database=ProgramUseCases.database,
        throttle=ProgramUseCases.ports.throttle,
        clock=ProgramUseCases.clock,
        new_uuid=ProgramUseCases.new_uuid,
        new_secret=ProgramUseCases.new_secret,
        tries_max=ProgramUseCases.settings.provided.people.login_tries_max,
    )
    list_api_tokens = One(ListApiTokens, database=ProgramUseCases.database)
    revoke_api_token = One(RevokeApiToken, database=ProgramUseCases.database)

    # permissions
    create_permission = One(
        CreatePermission,
        database=ProgramUseCases.database,
        sessions=ProgramUseCases.sessions,
        new_uuid=ProgramUseCases.new_uuid,
    )
    list_permissions = One(ListPermissions, database=ProgramUseCases.database)
    delete_permission = One(
        DeletePermission, database=ProgramUseCases.database, sessions=ProgramUseCases.sessions
    )

    # what permissions and links come to
    explain_access = One(
        ExplainAccess, database=ProgramUseCases.database, domain=ProgramUseCases.domain
    )
    list_access = One(ListAccess, database=ProgramUseCases.database, domain=ProgramUseCases.domain)
    check_links = One(CheckLinks, database=ProgramUseCases.database)

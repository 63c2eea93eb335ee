"""Every door of the schema, and the route they are served by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

from pepeunit.entrypoints.graphql.absent import AbsentDoor
from pepeunit.entrypoints.graphql.access import AccessDoor, LinkDoor
from pepeunit.entrypoints.graphql.api_tokens import ApiTokenDoor
from pepeunit.entrypoints.graphql.audit import AuditDoor
from pepeunit.entrypoints.graphql.binder import bind, read_sdl
from pepeunit.entrypoints.graphql.bulk import BulkDoor
from pepeunit.entrypoints.graphql.devices import DeviceDoor
from pepeunit.entrypoints.graphql.door import Door
from pepeunit.entrypoints.graphql.execution import Authentication, Engine, serve
from pepeunit.entrypoints.graphql.graphiql import GraphiQL
from pepeunit.entrypoints.graphql.instance import CookieDoor, InstanceDoor
from pepeunit.entrypoints.graphql.invites import InviteDoor
from pepeunit.entrypoints.graphql.limits import Limits
from pepeunit.entrypoints.graphql.live import LiveDoor
from pepeunit.entrypoints.graphql.nodes import NodeDoor
from pepeunit.entrypoints.graphql.permissions import PermissionDoor
from pepeunit.entrypoints.graphql.pipes import PipeDoor
from pepeunit.entrypoints.graphql.registries import RegistryDoor
from pepeunit.entrypoints.graphql.repos import RepoDoor
from pepeunit.entrypoints.graphql.rollouts import RolloutDoor
from pepeunit.entrypoints.graphql.sockets import Sockets
from pepeunit.entrypoints.graphql.transport import GraphqlRoute
from pepeunit.entrypoints.graphql.units import UnitDoor
from pepeunit.entrypoints.graphql.users import UserDoor
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.live.watch import WatchLive

DOORS: Final[tuple[type[Door], ...]] = (
    UserDoor,
    ApiTokenDoor,
    InviteDoor,
    RegistryDoor,
    RepoDoor,
    RolloutDoor,
    UnitDoor,
    BulkDoor,
    DeviceDoor,
    NodeDoor,
    PipeDoor,
    PermissionDoor,
    AccessDoor,
    LinkDoor,
    InstanceDoor,
    CookieDoor,
    AuditDoor,
    LiveDoor,
    AbsentDoor,
)


def graphql_route(
    doors: Iterable[Door],
    *,
    authenticate: Authentication,
    acts: RecordActs,
    lists: UnlimitedLists,
    asked_from: Callable[[web.Request], str],
    path: str,
    limits: Limits,
    is_secure: bool,
    has_page: bool,
    watch: WatchLive,
) -> GraphqlRoute:
    """``path`` has no slash at its end. Raises ``Unbound`` where doors and schema do not fit."""
    engine = Engine.of(bind(read_sdl(), doors, serve), limits)
    return GraphqlRoute(
        engine=engine,
        sockets=Sockets(engine, watch, authenticate, acts, lists, asked_from),
        authenticate=authenticate,
        acts=acts,
        lists=lists,
        asked_from=asked_from,
        path=path,
        is_secure=is_secure,
        page=GraphiQL(path) if has_page else None,
    )

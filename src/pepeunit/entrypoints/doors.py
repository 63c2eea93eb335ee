"""Open the doors on the use cases: each door names what it needs by type, this fills it in."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import attrs
from aiohttp import web
from dependency_injector import providers

from pepeunit import __version__
from pepeunit.codecs.rest.instance import FeatureFlagsModel
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UserId
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform
from pepeunit.entrypoints.graphql.doors import DOORS as GRAPHQL_DOORS
from pepeunit.entrypoints.graphql.doors import graphql_route
from pepeunit.entrypoints.graphql.limits import JSON_BYTES_MAX
from pepeunit.entrypoints.graphql.limits import Limits as GraphqlLimits
from pepeunit.entrypoints.graphql.transport import GraphqlRoute
from pepeunit.entrypoints.http.absent import AbsentDoor
from pepeunit.entrypoints.http.access import AccessDoor
from pepeunit.entrypoints.http.accounts import AccountDoor
from pepeunit.entrypoints.http.api_tokens import ApiTokenDoor
from pepeunit.entrypoints.http.app import make_app, make_runner
from pepeunit.entrypoints.http.audit import AuditDoor
from pepeunit.entrypoints.http.bulk import BulkDoor
from pepeunit.entrypoints.http.devices import DeviceDoor
from pepeunit.entrypoints.http.endpoint import asked_from
from pepeunit.entrypoints.http.events import EventDoor
from pepeunit.entrypoints.http.instance import InstanceDoor
from pepeunit.entrypoints.http.meter import RequestMeter
from pepeunit.entrypoints.http.monitoring import Monitoring
from pepeunit.entrypoints.http.nodes import NodeDoor
from pepeunit.entrypoints.http.permissions import PermissionDoor
from pepeunit.entrypoints.http.pipes import PipeDoor
from pepeunit.entrypoints.http.readme import ReadmeDoor
from pepeunit.entrypoints.http.registries import RegistryDoor
from pepeunit.entrypoints.http.repos import RepoDoor
from pepeunit.entrypoints.http.rollouts import RolloutDoor
from pepeunit.entrypoints.http.route import Door
from pepeunit.entrypoints.http.site import HttpLimits, Site
from pepeunit.entrypoints.http.tokens import TokenDoor
from pepeunit.entrypoints.http.units import UnitDoor
from pepeunit.entrypoints.http.users import UserDoor
from pepeunit.entrypoints.measurements import Measurements
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.foundation import KIB
from pepeunit.entrypoints.wiring.pipe_forms import default_pipe
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.instance.readiness import Check, CheckReadiness

D = TypeVar("D")

NOBODY: Final = UserId(UUID(int=0))
"""Looked up to see whether the database answers."""

DOORS: tuple[type[Door], ...] = (
    AccountDoor,
    ApiTokenDoor,
    UserDoor,
    RegistryDoor,
    RepoDoor,
    RolloutDoor,
    ReadmeDoor,
    BulkDoor,
    UnitDoor,
    TokenDoor,
    DeviceDoor,
    NodeDoor,
    PipeDoor,
    PermissionDoor,
    AccessDoor,
    AuditDoor,
    EventDoor,
)


def filled(use: UseCases, door: type[D], **given: Any) -> D:
    """The door with a use case for each of its fields, found by the field's type."""
    by_type = {
        provider.cls: provider
        for provider in use.providers.values()
        if isinstance(provider, providers.Singleton)
    }
    needed: Any = attrs.resolve_types(cast("Any", door))
    found = {
        one.name: by_type[one.type]()
        for one in attrs.fields(needed)
        if one.name not in given and one.default is attrs.NOTHING
    }
    return door(**found, **given)


def database_answers(use: UseCases) -> Check:
    """Whether PostgreSQL answers a question."""
    database = use.database()

    async def answers() -> None:
        async with database.read() as rows:
            await rows.users.get(NOBODY)

    return answers


def monitoring_of(use: UseCases, settings: Settings, endpoint: Endpoint) -> Monitoring:
    """Readiness and metrics over the running parts."""
    journal = use.journal()

    async def listens() -> None:
        if not endpoint.is_listening:
            raise Unavailable("MQTT endpoint", "does not listen")

    checks = {
        "database": database_answers(use),
        "series": use.series_admin().check,
        "journal": journal.check,
        "endpoint": listens,
    }
    measure = Measurements(endpoint, use.ingest(), journal, use.count_backlog())
    return Monitoring(
        CheckReadiness(checks),
        measure if settings.features.prometheus_enable else None,
        tuple(ip_network(text) for text in settings.operations.metrics_networks),
        RequestMeter(),
    )


def rest_runner(
    use: UseCases,
    settings: Settings,
    facts: InstanceFacts,
    monitoring: Monitoring | None = None,
) -> web.AppRunner:
    """REST, its documentation, the instance page and GraphQL, ready to be put on a site."""
    requests = settings.requests
    site = Site(
        facts,
        cors_origins=frozenset(settings.site.cors_origins),
        trusted_proxies=tuple(ip_network(text) for text in settings.site.trusted_proxies),
        limits=HttpLimits(
            body_bytes_max=requests.http_body_bytes_max,
            spooled_bytes_max=requests.csv_bytes_max,
            turn_seconds_max=requests.turn_seconds_max,
            page_rows_max=requests.max_pagination_size,
            unlimited_lists_max=requests.unlimited_lists_max,
        ),
    )
    # what this version can do, whatever the settings wish for
    flags = FeatureFlagsModel(
        pu_ff_datapipe_enable=settings.features.datapipe_enable,
        pu_ff_datapipe_default_last_value_enable=default_pipe(settings) is not None,
        pu_ff_prometheus_enable=monitoring is not None and monitoring.measure is not None,
    )
    instance = filled(use, InstanceDoor, facts=facts, version=__version__, flags=flags)
    doors: list[Door] = [filled(use, door) for door in DOORS]
    doors += [instance, AbsentDoor()]
    lists = UnlimitedLists(site.limits.unlimited_lists_max)
    app = make_app(
        doors,
        use.authenticate(),
        site,
        __version__,
        use.record_acts(),
        monitoring=monitoring,
        lists=lists,
    )
    _graphql(use, settings, site, lists).add_to(app.router)
    watch = use.watch_live()

    async def stop_watching(_app: web.Application) -> None:
        watch.close()

    app.on_shutdown.append(stop_watching)
    return make_runner(app)


def _graphql(use: UseCases, settings: Settings, site: Site, lists: UnlimitedLists) -> GraphqlRoute:
    return graphql_route(
        [filled(use, door) for door in GRAPHQL_DOORS],
        authenticate=use.authenticate(),
        acts=use.record_acts(),
        lists=lists,
        asked_from=lambda request: asked_from(request, site),
        path=f"{site.app_path}/graphql",
        limits=GraphqlLimits(
            json_bytes_max=min(settings.requests.http_body_bytes_max, JSON_BYTES_MAX),
            file_bytes_max=settings.requests.csv_bytes_max,
            turn_seconds_max=settings.requests.turn_seconds_max,
            page_rows_max=settings.requests.max_pagination_size,
            tokens_max=settings.graphql.tokens_max,
            depth_max=settings.graphql.depth_max,
            aliases_max=settings.graphql.aliases_max,
            fields_max=settings.graphql.fields_max,
        ),
        is_secure=settings.site.secure,
        has_page=settings.graphiql_enabled,
        watch=use.watch_live(),
    )


def device_endpoint(use: UseCases, settings: Settings) -> Endpoint:
    """The MQTT endpoint, with the same exchange that the use cases publish through."""
    mqtt = settings.mqtt
    limits = Limits(
        clients_max=mqtt.max_clients,
        connects_per_second=mqtt.connection_rate,
        client_id_length_max=mqtt.max_client_id_length,
        packet_bytes_max=mqtt.max_payload_kib * KIB,
        topic_levels_max=mqtt.max_topic_levels,
        topic_alias_max=mqtt.max_topic_alias,
        messages_per_second=mqtt.message_rate,
        bytes_per_second=mqtt.byte_rate,
        queue_messages_max=mqtt.max_queue_length,
    )
    platform = Platform(
        authenticate=use.admit_device(),
        authorize=use.authorize_topic(),
        receive=use.receive_messages(),
        presence=use.presence(),
    )
    return Endpoint(use.publisher(), platform, limits)

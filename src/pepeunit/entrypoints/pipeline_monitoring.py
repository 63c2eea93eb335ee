"""What the pipeline tells of itself as a process of its own: alive, ready, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

from aiohttp import web
from attrs import frozen

from pepeunit import __version__
from pepeunit.codecs.exposition import Family
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.doors import database_answers
from pepeunit.entrypoints.http.app import make_app, make_runner
from pepeunit.entrypoints.http.meter import RequestMeter
from pepeunit.entrypoints.http.monitoring import Monitoring
from pepeunit.entrypoints.http.site import Site
from pepeunit.entrypoints.measurements import journal_family, process_families
from pepeunit.entrypoints.pipe_measurements import pipe_families
from pepeunit.entrypoints.pipeline.inbox import Inbox
from pepeunit.entrypoints.settings import Settings
from pepeunit.ports.journal import Journal
from pepeunit.usecases.instance.readiness import CheckReadiness
from pepeunit.usecases.samples.ingest import Ingest


@frozen
class PipelineMeasurements:
    inbox: Inbox
    ingest: Ingest
    journal: Journal

    async def __call__(self) -> AsyncIterator[Family]:
        for family in (*self._inbox(), *pipe_families(self.ingest), *process_families()):
            yield family

    def _inbox(self) -> Iterator[Family]:
        inbox = self.inbox
        for name, text, value in (
            ("connections_total", "Connections to the broker.", inbox.connections),
            ("received_total", "Messages of nodes from the broker.", inbox.received),
            ("foreign_total", "Messages that are no node's.", inbox.foreign),
            ("repeated_total", "Messages sent again that were stored.", inbox.repeated),
        ):
            yield Family.one(f"pepeunit_inbox_{name}", "counter", text, value)
        yield Family.one(
            "pepeunit_inbox_connected", "gauge", "Whether the broker is read.", inbox.is_connected
        )
        yield Family.one(
            "pepeunit_inbox_held_bytes",
            "gauge",
            "Memory of messages that wait for the journal.",
            inbox.held_bytes,
        )
        yield journal_family(self.journal)


def monitoring_runner(
    use: UseCases, settings: Settings, facts: InstanceFacts, inbox: Inbox
) -> web.AppRunner:
    """``/healthz``, ``/readyz`` and the metrics; a process that stands by is not ready."""
    journal = use.journal()

    async def reads() -> None:
        if not inbox.is_connected:
            raise Unavailable("broker", "is not read by this process")

    checks = {
        "database": database_answers(use),
        "series": use.series_admin().check,
        "journal": journal.check,
        "inbox": reads,
    }
    measure = PipelineMeasurements(inbox, use.ingest(), journal)
    monitoring = Monitoring(
        CheckReadiness(checks),
        measure if settings.features.prometheus_enable else None,
        tuple(ip_network(text) for text in settings.operations.metrics_networks),
        RequestMeter(),
    )
    site = Site(facts)
    acts = use.record_acts()
    app = make_app([], use.authenticate(), site, __version__, acts, monitoring=monitoring)
    return make_runner(app)

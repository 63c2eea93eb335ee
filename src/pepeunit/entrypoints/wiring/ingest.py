"""The way from an acknowledged message to a stored row."""

from __future__ import annotations

from dependency_injector import providers

from pepeunit.codecs import records
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.foundation import MIB
from pepeunit.entrypoints.wiring.people import PeopleUseCases
from pepeunit.entrypoints.wiring.pipe_forms import payload_bytes
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits

One = providers.Singleton


def ingest_limits(settings: Settings) -> IngestLimits:
    """The pipeline's numbers that can be set; the others are fixed."""
    pipes = settings.pipes
    return IngestLimits(
        flush_seconds=pipes.buffer_flush_seconds,
        flush_rows=pipes.buffer_max_size,
        queue_bytes_max=pipes.queue_memory_mib * MIB,
        spool_bytes_max=pipes.spool_disk_mib * MIB,
        journal_bytes_max=pipes.journal_disk_mib * MIB,
        backlog_seconds_max=pipes.backlog_seconds_max,
    )


class IngestUseCases(PeopleUseCases):
    """The pipeline that runs in this process."""

    ingest = One(
        Ingest,
        parts=One(
            IngestParts,
            database=PeopleUseCases.database,
            journal=PeopleUseCases.ports.journal,
            journal_id=PeopleUseCases.ports.journal_id,
            checkpoint=PeopleUseCases.ports.checkpoint,
            codec=providers.Object(records),
            series_writer=PeopleUseCases.ports.series_writer,
            series_admin=PeopleUseCases.ports.series_admin,
            logs=PeopleUseCases.logs,
            clock=PeopleUseCases.clock,
            new_uuid=PeopleUseCases.new_uuid,
            limits=providers.Callable(ingest_limits, PeopleUseCases.settings),
            payload_bytes_max=providers.Callable(payload_bytes, PeopleUseCases.settings),
            reread_seconds=PeopleUseCases.settings.provided.pipes.config_sync_seconds,
        ),
        leases=PeopleUseCases.ports.leases,
    )

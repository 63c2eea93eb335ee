"""The way from an acknowledged message to a stored row."""

from __future__ import annotations

from dependency_injector import providers

from pepeunit.codecs import records
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.foundation import MIB, Foundation
from pepeunit.entrypoints.wiring.pipe_forms import payload_bytes
from pepeunit.usecases.pipes.await_pipes import AwaitPipes
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits
from pepeunit.usecases.samples.seat import SharedPipeline

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


class IngestUseCases(Foundation):
    """The pipeline that runs in this process, or is waited for."""

    ingest = One(
        Ingest,
        parts=One(
            IngestParts,
            database=Foundation.database,
            journal=Foundation.ports.journal,
            journal_id=Foundation.ports.journal_id,
            checkpoint=Foundation.ports.checkpoint,
            codec=providers.Object(records),
            series_writer=Foundation.ports.series_writer,
            series_admin=Foundation.ports.series_admin,
            logs=Foundation.logs,
            clock=Foundation.clock,
            new_uuid=Foundation.new_uuid,
            limits=providers.Callable(ingest_limits, Foundation.settings),
            payload_bytes_max=providers.Callable(payload_bytes, Foundation.settings),
            reread_seconds=Foundation.settings.provided.pipes.config_sync_seconds,
        ),
        leases=Foundation.ports.leases,
    )
    pipeline_seat = Foundation.ports.pipeline_seat
    pipeline = One(SharedPipeline, ingest=ingest, seat=pipeline_seat)
    await_pipes = One(AwaitPipes, database=Foundation.database, pipeline=pipeline)

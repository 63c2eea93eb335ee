"""What the pipeline is built from."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from pepeunit.ports.checkpoint import Checkpoint
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.journal import Journal
from pepeunit.ports.logs import Logs
from pepeunit.ports.record_codec import RecordCodec
from pepeunit.ports.series_admin import SeriesAdmin
from pepeunit.ports.series_writer import SeriesWriter
from pepeunit.usecases.samples.limits import IngestLimits


@frozen(kw_only=True)
class IngestParts:
    """Ports and numbers; ``journal_id`` is of the journal as long as it goes on, and
    ``reread_seconds`` is how often all pipes are read again."""

    database: Database
    journal: Journal
    journal_id: UUID
    checkpoint: Checkpoint
    codec: RecordCodec
    series_writer: SeriesWriter
    series_admin: SeriesAdmin
    logs: Logs
    clock: Clock
    new_uuid: NewUuid
    limits: IngestLimits
    payload_bytes_max: int
    reread_seconds: float

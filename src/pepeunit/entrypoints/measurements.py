"""What the metrics page tells besides requests: messages, journal, updates, the process."""

from __future__ import annotations

import gc
import os
import platform
import resource
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from pepeunit import __version__
from pepeunit.codecs.exposition import Family, Sample
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.pipe_measurements import pipe_families
from pepeunit.ports.journal import Journal
from pepeunit.usecases.instance.backlog import CountBacklog
from pepeunit.usecases.samples.ingest import Ingest

NO_STATUS: Final = "None"
MQTT_COUNTERS: Final = {
    "accepted_connects": "Connections accepted.",
    "refused_connects": "Connections refused.",
    "received_messages": "Messages received from clients.",
    "delivered_messages": "Messages handed to clients.",
    "dropped_messages": "Messages lost for want of room.",
    "denied_messages": "Messages the policy refused.",
    "denied_subscriptions": "Subscriptions the policy refused.",
}
STARTED: Final = time.time()


@frozen
class Measurements:
    endpoint: Endpoint
    ingest: Ingest
    journal: Journal
    count_backlog: CountBacklog

    async def __call__(self) -> AsyncIterator[Family]:
        """All families; those of the stores are left out while the stores are down."""
        for family in (*self._messages(), *pipe_families(self.ingest), *process_families()):
            yield family
        try:
            backlog = await self.count_backlog()
        except Unavailable:
            return
        yield Family.one(
            "pepeunit_outbox_length", "gauge", "Commands that wait.", backlog.outbox_length
        )
        yield Family(
            "pepeunit_unit_updates",
            "gauge",
            "Units by the status of their update.",
            tuple(
                Sample(count, {"status": status.value if status else NO_STATUS})
                for status, count in backlog.updates.items()
            ),
        )

    def _messages(self) -> Iterator[Family]:
        counters = self.endpoint.counters
        for name, text in MQTT_COUNTERS.items():
            yield Family.one(
                f"pepeunit_mqtt_{name}_total", "counter", text, getattr(counters, name)
            )
        clients = self.endpoint.connected_clients
        yield Family.one("pepeunit_mqtt_clients", "gauge", "Connected clients.", clients)
        yield journal_family(self.journal)


def journal_family(journal: Journal) -> Family:
    return Family.one(
        "pepeunit_journal_bytes",
        "gauge",
        "Bytes acknowledged and not stored yet.",
        journal.waiting_bytes,
    )


def process_families() -> Iterator[Family]:
    """Of the process and its interpreter."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield Family(
        "pepeunit_build",
        "gauge",
        "The versions that run.",
        (Sample(1, {"version": __version__, "python": platform.python_version()}),),
    )
    yield Family.one(
        "process_cpu_seconds_total",
        "counter",
        "Processor time used, in seconds.",
        usage.ru_utime + usage.ru_stime,
    )
    yield Family.one(
        "process_start_time_seconds", "gauge", "When it started, Unix seconds.", STARTED
    )
    collections = sum(generation["collections"] for generation in gc.get_stats())
    yield Family.one(
        "python_gc_collections_total", "counter", "Runs of the garbage collector.", collections
    )
    kernel = Path("/proc/self")
    if kernel.is_dir():
        pages = int((kernel / "statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE")
        open_files = sum(1 for _ in (kernel / "fd").iterdir())
        yield Family.one(
            "process_resident_memory_bytes", "gauge", "Resident memory in bytes.", resident
        )
        yield Family.one("process_open_fds", "gauge", "Open file descriptors.", open_files)

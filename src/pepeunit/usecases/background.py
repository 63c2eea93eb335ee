"""Work that outlives the request that started it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any

from pepeunit.usecases.audit.act import doing

log = logging.getLogger(__name__)

DRAIN_SECONDS = 3.0


class Background:
    """Holds running tasks, logs what fails in them, and ends them at shutdown."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        with doing(None):  # what goes on behind an answer is the platform's doing
            task = asyncio.create_task(work, name=name, context=contextvars.copy_context())
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work %s failed", task.get_name(), exc_info=error)

    async def stop(self) -> None:
        """Cancel what still runs and wait for it to end."""
        running = tuple(self._tasks)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=DRAIN_SECONDS)

"""Check, set and read the config of a node's pipe (spec datapipe.md 3, 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from attrs import evolve, field, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.errors import Throttled, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.config import PipeConfig, PolicyType
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.domain.pipes.series import Trim
from pepeunit.domain.pipes.validation import Violation, read_config, violations
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.pipeline import Pipeline
from pepeunit.ports.throttle import Throttle
from pepeunit.usecases.pipes.rules import PipeForms, PipeRules, require_active

CHECKS_AT_ONCE_MAX: Final = 2


@frozen
class CheckPipeConfig:
    """For everyone, without a token too (rulings 15): hence the throttle, by address."""

    rules: PipeRules
    throttle: Throttle
    checks_max: int
    _turns: asyncio.Semaphore = field(
        factory=lambda: asyncio.Semaphore(CHECKS_AT_ONCE_MAX), init=False, eq=False, repr=False
    )

    async def __call__(self, agent: Agent, content: bytes, address: str) -> Sequence[Violation]:
        """What is wrong with a config, section by section; empty when nothing is.

        Raises ``Invalid`` (topic pipe) for what is no YAML mapping, ``Throttled``.
        """
        self.rules.require_enabled()
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT, AgentKind.BACKEND)
        wait = self.throttle.wait_seconds(address)
        if wait is not None:
            raise Throttled(
                f"too many checks, try again in {wait:.0f} s",
                Topic.PIPE,
                limit=self.checks_max,
                actual=self.checks_max,
                retry_after_seconds=wait,
            )
        self.throttle.record(address)
        async with self._turns:
            return await asyncio.to_thread(_checked, self.rules.forms, content)


def _checked(forms: PipeForms, content: bytes) -> Sequence[Violation]:
    return violations(forms.read(content), forms.payload_bytes_max)


@frozen
class SetPipeConfig:
    """Returns once the pipeline received it, or after a second without one."""

    database: Database
    rules: PipeRules
    pipeline: Pipeline
    clock: Clock

    async def __call__(self, agent: Agent, uuid: NodeId, content: bytes) -> None:
        """Raises ``Invalid`` (topic pipe) while the pipe is inactive, and for what is no config:
        the message starts with the number of errors."""
        async with self.database.read() as rows:
            require_active(await self.rules.owned(rows, agent, uuid))
        config = await asyncio.to_thread(self._config, content)
        async with self.database.begin() as tx:
            node = await self.rules.owned(tx, agent, uuid, for_update=True)
            require_active(node)
            now = self.clock()
            series = await tx.pipes.series(uuid)
            if series is not None and series.limit not in (None, _limit(config)):
                await tx.pipes.trim(uuid, Trim(to_ms(now), series.limit))
            changed = evolve(
                node, data_pipe_yml=self.rules.forms.dump(config), last_update_datetime=now
            )
            await tx.nodes.put([changed.with_pipe_status()])
            setting = await tx.pipes.setting(uuid)
        if setting is not None:
            await self.pipeline.applied(setting.version)

    def _config(self, content: bytes) -> PipeConfig:
        forms = self.rules.forms
        return read_config(forms.read(content), forms.payload_bytes_max)


def _limit(config: PipeConfig) -> int | None:
    policy = config.processing_policy
    return policy.n_records_count if policy.policy_type is PolicyType.N_RECORDS else None


@frozen
class GetPipeConfig:
    """For the creator alone (rulings 13)."""

    database: Database
    rules: PipeRules

    async def __call__(self, agent: Agent, uuid: NodeId) -> str:
        """The config as YAML. Raises ``Invalid`` (topic pipe) while inactive or empty."""
        async with self.database.read() as rows:
            node = await self.rules.owned(rows, agent, uuid)
        return self.rules.forms.export(self.rules.config(node))

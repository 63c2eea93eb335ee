"""What git says of a unit's program: its target version and the files of a commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.messaging.command import Firmware
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.registries.version import Asset, Commit, Sha, Version
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.repos.target import firmware_asset, target_rule, target_version
from pepeunit.domain.units.env import read_env_example
from pepeunit.domain.units.schema import SchemaExample, read_schema_example
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.mirrors import Mirrors


@frozen
class Program:
    """One version of a program, checked: it can be built for a unit.

    A compiled one has the unit's ``asset``, and ``firmware`` once it was announced.
    """

    registry: RegistryId
    version: Version
    schema: SchemaExample
    env_example: Mapping[str, Any]
    asset: Asset | None = None
    firmware: Firmware | None = None


Announce = Callable[[Registry, Unit, Program], Awaitable[Program]]
"""Completes a program that is about to be sent: a compiled one gets its ``firmware``."""


@frozen
class Programs:
    """Reads programs at immutable commits; never waits for a sync."""

    mirrors: Mirrors
    topic_symbols: str

    async def history(self, registry: Registry, branch: str | None) -> Sequence[Commit] | None:
        """The branch's commits, newest first, or None when there is no such branch.

        Where a commit carries several tags, one that has a release counts (O9).
        """
        if branch is None or branch not in await self.mirrors.branches(registry.uuid):
            return None
        return await self.mirrors.commits(registry.uuid, branch, registry.releases or ())

    async def target(self, registry: Registry, repo: Repo, unit: Unit | None) -> Version:
        """The target version of a unit, or of the repo's automatic units. Raises ``Invalid``."""
        rule = target_rule(unit, repo)
        history = await self.history(registry, rule.branch)
        return target_version(rule, history)

    async def schema(self, registry: RegistryId, commit: Sha) -> SchemaExample:
        text = await self.mirrors.read(registry, commit, "schema_example.json")
        return read_schema_example(text, self.topic_symbols)

    async def env_example(self, registry: RegistryId, commit: Sha) -> dict[str, Any]:
        return read_env_example(await self.mirrors.read(registry, commit, "env_example.json"))

    async def program(self, registry: Registry, repo: Repo, unit: Unit) -> Program:
        """The unit's target, with its files checked and pinned in the mirror.

        Raises ``Invalid`` (topics git, json, entity) with what stands in the way.
        """
        version = await self.target(registry, repo, unit)
        asset = None
        if repo.is_compilable_repo:
            platform = unit.target_firmware_platform
            asset = firmware_asset(registry.releases, version.tag, platform)
        program = Program(
            registry=registry.uuid,
            version=version,
            schema=await self.schema(registry.uuid, version.commit),
            env_example=await self.env_example(registry.uuid, version.commit),
            asset=asset,
        )
        await self.mirrors.keep(registry.uuid, version.commit)
        return program

    async def running_schema(self, repo: Repo, unit: Unit) -> SchemaExample:
        """The schema of the version the unit runs: the reported one, else the built one."""
        registry = repo.repository_registry_uuid
        if unit.current_commit_version is not None:
            try:
                return await self.schema(registry, unit.current_commit_version)
            except Invalid:
                pass  # the device reports a commit that this remote never had
        return await self.schema(registry, built(unit))


def built(unit: Unit) -> Sha:
    """The unit's built commit. Raises ``Invalid`` (topic unit) when it was never built."""
    if unit.built_commit is None:
        raise Invalid("the unit has no built version yet", Topic.UNIT)
    return unit.built_commit

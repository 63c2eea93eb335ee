"""The compiled file of a unit, through the platform (devices.md O11)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.repos.target import firmware_asset
from pepeunit.ports.database import Database
from pepeunit.ports.firmware import FirmwareFile, FirmwareFiles
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.registries.firmware import FetchFirmware
from pepeunit.usecases.updates.programs import built
from pepeunit.usecases.updates.update_unit import lineage


@frozen
class Download:
    file: FirmwareFile
    pieces: AsyncIterator[bytes]


@frozen
class GetFirmware:
    """The compiled file of the built version: for the creator and the unit itself."""

    database: Database
    fetch: FetchFirmware
    files: FirmwareFiles

    async def __call__(self, agent: Agent, uuid: UnitId) -> Download:
        """Raises ``Invalid``: topic unit where nothing is compiled, topics entity and git where
        the release or the platform is gone; and as :class:`FetchFirmware`."""
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.LOOK_INTO, uuid)
            unit, repo, registry = await lineage(rows, uuid)
        if not repo.is_compilable_repo:
            raise Invalid("the unit's program is not compiled", Topic.UNIT)
        built(unit)
        asset = firmware_asset(registry.releases, unit.built_tag, unit.target_firmware_platform)
        file = await self.fetch(registry, asset)
        return Download(file, self.files.read(file))

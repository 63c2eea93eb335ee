"""Archives that only remember what they were asked to pack."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.version import Sha
from pepeunit.ports.archives import Archive, ArchiveFormat


@define
class RememberingArchives:
    """Implements :class:`~pepeunit.ports.archives.Archives`."""

    commit: Sha | None = None
    own_files: Mapping[str, bytes] = field(factory=dict)

    async def pack(
        self,
        registry: RegistryId,
        commit: Sha | None,
        own_files: Mapping[str, bytes],
        form: ArchiveFormat,
        *,
        wbits: int = 9,
        level: int = 9,
    ) -> Archive:
        self.commit, self.own_files = commit, dict(own_files)
        return Archive(b"packed", "etag")

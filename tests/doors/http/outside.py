"""The world around the use cases, written out: a forge, its mirrors, a broker, archives."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence

from attrs import define, field

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RegistryId, UnitId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset, Commit, Releases, Sha, TreeEntry
from pepeunit.ports.archives import Archive, ArchiveFormat
from pepeunit.ports.mirrors import Progress
from pepeunit.ports.publisher import Receipt
from pepeunit.ports.web import Write

OLD, NEW = Sha("a" * 40), Sha("b" * 40)
HISTORY = (Commit(NEW, "Blink faster", "v2"), Commit(OLD, "Blink", "v1"))
ESP32 = Asset("esp32", "https://forge.example/v2/esp32.bin")
RELEASES = {"v2": [ESP32]}
FIRMWARE = {ESP32.link: b"\xe9esp32 of v2"}
SCHEMA = {
    "input_base_topic": ["update/pepeunit", "env_update/pepeunit"],
    "output_base_topic": ["state/pepeunit"],
    "input_topic": ["led/pepeunit"],
    "output_topic": ["temperature/pepeunit"],
}
FILES = {
    "schema_example.json": json.dumps(SCHEMA).encode(),
    "env_example.json": b'{"PAUSE": 5, "BIG": 123456789012345678901234567890}',
}
TOKEN = "glpat-right"


@define
class WrittenMirrors:
    """Every registry has the same history on ``main`` once it was synchronised."""

    synced: set[RegistryId] = field(factory=set)

    async def sync(
        self,
        registry: RegistryId,
        url: str,
        credentials: GitCredentials | None,
        progress: Progress | None = None,
    ) -> int:
        self.synced.add(registry)
        return 4096

    async def remote_heads(
        self, registry: RegistryId, url: str, credentials: GitCredentials | None
    ) -> Mapping[str, Sha]:
        return {"refs/heads/main": NEW}

    async def local_heads(self, registry: RegistryId) -> Mapping[str, Sha]:
        return {"refs/heads/main": NEW} if registry in self.synced else {}

    async def branches(self, registry: RegistryId) -> Sequence[str]:
        return ["main"] if registry in self.synced else []

    async def commits(
        self, registry: RegistryId, branch: str, prefer: Collection[str] = ()
    ) -> Sequence[Commit]:
        return HISTORY

    async def read(self, registry: RegistryId, commit: Sha, path: str) -> bytes:
        if path not in FILES:
            raise Invalid(f"{path} is missing", Topic.GIT)
        return FILES[path]

    async def tree(self, registry: RegistryId, commit: Sha) -> Sequence[TreeEntry]:
        return ()

    async def blobs(self, registry: RegistryId, ids: Sequence[Sha]) -> Sequence[bytes]:
        return ()

    async def keep(self, registry: RegistryId, commit: Sha) -> None: ...

    async def remove(self, registry: RegistryId) -> None:
        self.synced.discard(registry)


class WrittenHost:
    """A forge that accepts one personal access token."""

    async def probe(self, url: str, credentials: GitCredentials | None) -> bool:
        return credentials is None or credentials.pat_token == TOKEN

    async def repository_bytes(self, url: str, credentials: GitCredentials | None) -> int:
        return 4096

    async def releases(self, url: str, credentials: GitCredentials | None) -> Releases:
        return RELEASES

    async def download(
        self, url: str, asset: Asset, credentials: GitCredentials | None, write: Write
    ) -> None:
        await write(FIRMWARE[asset.link])


@define
class Broker:
    """Remembers what was published; every topic has one listener."""

    published: list[tuple[str, bytes]] = field(factory=list)

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        self.published.append((topic, payload))
        if receipt is not None:
            receipt.taken()
        return 1

    async def kick(self, unit: UnitId) -> None: ...

    async def recheck(self) -> None: ...

    def is_online(self, unit: UnitId) -> bool:
        return False


class OwnFiles:
    """Archives of a unit's own files alone, enough to tell the forms apart."""

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
        if form is ArchiveFormat.TGZ and not (9 <= wbits <= 15 and -1 <= level <= 9):
            raise Invalid([("wbits", "is out of range")], Topic.UNIT)
        body = b"".join(own_files.values())
        etag = hashlib.sha256(body).hexdigest()
        if form is ArchiveFormat.TGZ:
            packer = zlib.compressobj(level, wbits=wbits)
            body = packer.compress(body) + packer.flush()
        return Archive(body, etag)

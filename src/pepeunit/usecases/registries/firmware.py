"""The compiled file of a unit's program: fetched, and told in its ``Update`` (O11, W32)."""

from __future__ import annotations

import hashlib
from functools import partial

from attrs import evolve, frozen

from pepeunit.domain.ids import RegistryId
from pepeunit.domain.messaging.command import Firmware
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.registries.version import Asset
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.firmware import FirmwareFile, FirmwareFiles
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.updates.programs import Program


@frozen
class FetchFirmware:
    """A release's file, fetched once with the registry's credentials and then kept here."""

    files: FirmwareFiles
    keyring: Keyring

    async def __call__(self, registry: Registry, asset: Asset) -> FirmwareFile:
        """Raises ``Invalid`` and ``OverLimit`` (topics platform, registry), ``Unavailable``."""
        key = _key(registry, asset)
        kept = await self.files.find(key)
        if kept is not None:
            return kept
        return await self.keyring.with_credentials(
            registry, None, lambda credentials: self._fetch(key, registry, asset, credentials)
        )

    async def _fetch(
        self, key: str, registry: Registry, asset: Asset, credentials: GitCredentials | None
    ) -> FirmwareFile:
        """Every try is a file of its own, so that what broke off is not continued by the next."""
        host, url = self.keyring.host(registry), registry.repository_url
        download = partial(host.download, url, asset, credentials)
        return await self.files.keep(key, download, asset.sha256)


@frozen
class AnnounceFirmware:
    """What an ``Update`` says of the compiled file.

    A device cannot open the links of a private registry, so it is sent to this instance, whose
    REST address is ``api_url``; the digest is then always told, and for public files where the
    platform tells it.
    """

    fetch: FetchFirmware
    api_url: str

    async def __call__(self, registry: Registry, unit: Unit, program: Program) -> Program:
        asset = program.asset
        if asset is None:
            return program
        if registry.is_public_repository:
            return evolve(program, firmware=Firmware(asset.link, asset.sha256))
        file = await self.fetch(registry, asset)
        link = f"{self.api_url}/units/firmware_asset/{unit.uuid}"
        return evolve(program, firmware=Firmware(link, file.sha256))


def _key(registry: Registry, asset: Asset) -> str:
    """One per registry and file: a link that two registries name may open for one of them only."""
    parts = (asset.name, asset.source or asset.link, asset.sha256 or "")
    return keys_of(registry.uuid) + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def keys_of(registry: RegistryId) -> str:
    """How the keys of a registry's files begin."""
    return f"{registry}-"

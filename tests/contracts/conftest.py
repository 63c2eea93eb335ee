"""Real parts for the contract suites: a code host on loopback and mirrors in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import pytest

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.git.limits import MirrorLimits
from pepeunit.adapters.git.mirrors import GitMirrors
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.address import HostRule
from pepeunit.entrypoints.cli.forge import Forge

REGISTRY = RegistryId(UUID("0b0e7ab2-5d1e-4c9c-9a39-1f2d3c4b5a69"))

MakeMirrors = Callable[..., GitMirrors]


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    folder = tmp_path / "forge"
    folder.mkdir()
    forge = Forge(folder)
    await forge.start()
    yield forge
    await forge.stop()


@pytest.fixture
def make_mirrors(tmp_path: Path, forge: Forge) -> MakeMirrors:
    def make(**limits: float) -> GitMirrors:
        rule = HostRule.of(forge.authority)
        mirrors = GitMirrors(tmp_path / "mirrors", rule, resolve, MirrorLimits(**limits))  # type: ignore[arg-type]
        mirrors.recover()
        return mirrors

    return make


@pytest.fixture
def mirrors(make_mirrors: MakeMirrors) -> GitMirrors:
    return make_mirrors()

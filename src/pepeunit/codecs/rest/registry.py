"""Read models of registries, their credentials and commits (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import dump, naive_utc, naive_utc_or_none
from pepeunit.domain.registries.credentials import CredentialSlot, CredentialStatus
from pepeunit.domain.registries.registry import GitPlatform, Registry, SyncStatus
from pepeunit.domain.registries.version import Commit, Releases


@frozen
class RegistryModel:
    """``releases_data`` is JSON text ``{tag: [[name, link], ...]}``; the size is in bytes;
    ``sync_progress`` is 0..100 while a sync runs."""

    uuid: UUID
    platform: GitPlatform
    repository_url: str
    is_public_repository: bool
    releases_data: str | None
    local_repository_size: int
    sync_status: SyncStatus | None
    sync_error: str | None
    sync_last_datetime: datetime | None
    create_datetime: datetime
    last_update_datetime: datetime
    creator_uuid: UUID | None
    branches: Sequence[str]
    sync_progress: int | None


@frozen
class RegistriesModel:
    count: int
    repositories_registry: Sequence[RegistryModel]


@frozen
class GitCredentialsModel:
    username: str
    pat_token: str


@frozen
class CredentialsModel:
    """The token is masked."""

    credentials: GitCredentialsModel
    status: CredentialStatus


@frozen
class CommitModel:
    commit: str
    summary: str
    tag: str | None


def _releases_text(releases: Releases | None) -> str | None:
    if releases is None:
        return None
    return dump(
        {tag: [[asset.name, asset.link] for asset in assets] for tag, assets in releases.items()}
    ).decode()


def registry_model(registry: Registry, branches: Sequence[str]) -> RegistryModel:
    return RegistryModel(
        uuid=registry.uuid,
        platform=registry.platform,
        repository_url=registry.repository_url,
        is_public_repository=registry.is_public_repository,
        releases_data=_releases_text(registry.releases),
        local_repository_size=registry.local_repository_size,
        sync_status=registry.sync_status,
        sync_error=registry.sync_error,
        sync_last_datetime=naive_utc_or_none(registry.sync_last_datetime),
        create_datetime=naive_utc(registry.create_datetime),
        last_update_datetime=naive_utc(registry.last_update_datetime),
        creator_uuid=registry.creator_uuid,
        branches=list(branches),
        sync_progress=registry.sync_progress,
    )


def credentials_model(slot: CredentialSlot) -> CredentialsModel:
    held = slot.credentials
    return CredentialsModel(GitCredentialsModel(held.username, held.pat_token), slot.status)


def commit_model(commit: Commit) -> CommitModel:
    return CommitModel(commit.commit, commit.summary, commit.tag)


@frozen
class WebhookModel:
    secret: str

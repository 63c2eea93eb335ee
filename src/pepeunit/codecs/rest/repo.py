"""Read models of repos and versions (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.registries.version import Version
from pepeunit.domain.repos.repo import Repo


@frozen
class RepoModel:
    uuid: UUID
    visibility_level: Visibility
    name: str
    create_datetime: datetime
    default_branch: str | None
    is_auto_update_repo: bool
    default_commit: str | None
    is_only_tag_update: bool
    is_compilable_repo: bool
    last_update_datetime: datetime
    creator_uuid: UUID
    repository_registry_uuid: UUID


@frozen
class ReposModel:
    count: int
    repos: Sequence[RepoModel]


@frozen
class PlatformModel:
    name: str
    link: str


@frozen
class RepoVersionModel:
    commit: str
    unit_count: int
    tag: str | None


@frozen
class RepoVersionsModel:
    """Most used first."""

    unit_count: int
    versions: Sequence[RepoVersionModel]


@frozen
class TargetVersionModel:
    commit: str
    tag: str | None


def repo_model(repo: Repo) -> RepoModel:
    return RepoModel(
        uuid=repo.uuid,
        visibility_level=repo.visibility_level,
        name=repo.name,
        create_datetime=naive_utc(repo.create_datetime),
        default_branch=repo.default_branch,
        is_auto_update_repo=repo.is_auto_update_repo,
        default_commit=repo.default_commit,
        is_only_tag_update=repo.is_only_tag_update,
        is_compilable_repo=repo.is_compilable_repo,
        last_update_datetime=naive_utc(repo.last_update_datetime),
        creator_uuid=repo.creator_uuid,
        repository_registry_uuid=repo.repository_registry_uuid,
    )


def target_version_model(version: Version) -> TargetVersionModel:
    return TargetVersionModel(version.commit, version.tag)

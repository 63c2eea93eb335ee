"""A program family and its update rule (spec devices.md 3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from pepeunit.domain.access.policy import Resource
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RegistryId, RepoId, UserId
from pepeunit.domain.registries.version import Sha


@frozen
class Repo:
    uuid: RepoId
    name: str
    visibility_level: Visibility
    repository_registry_uuid: RegistryId
    creator_uuid: UserId
    create_datetime: datetime
    last_update_datetime: datetime
    default_branch: str | None
    default_commit: Sha | None = None
    is_auto_update_repo: bool = True
    is_only_tag_update: bool = True
    is_compilable_repo: bool = False

    def resource(self, *, permitted: bool = False) -> Resource:
        return Resource(
            name="repo",
            visibility=self.visibility_level,
            creator=self.creator_uuid,
            permitted=permitted,
        )


def update_rule_violations(repo: Repo) -> Iterable[tuple[str, str]]:
    """What contradicts itself in a repo's update settings (error topic repo)."""
    if not repo.is_auto_update_repo:
        if repo.default_branch is None:
            yield "default_branch", "is needed when the repo is not updated automatically"
        if repo.default_commit is None:
            yield "default_commit", "is needed when the repo is not updated automatically"
    if repo.is_compilable_repo and repo.is_auto_update_repo and not repo.is_only_tag_update:
        yield (
            "is_only_tag_update",
            "must be on for a compilable repo that is updated automatically",
        )

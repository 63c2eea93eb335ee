"""The target version: which commit a unit should run (spec devices.md 5).

The decision table reduces to three questions: which branch, a fixed commit or the newest one,
and whether the commit must carry a tag. :func:`target_rule` answers them from the settings,
:func:`target_version` finds the commit in the branch's history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.registries.version import Asset, Commit, Releases, Sha, Version


class UnitChoice(Protocol):
    """The settings of a unit that choose its version."""

    @property
    def is_auto_update_from_repo_unit(self) -> bool: ...
    @property
    def repo_branch(self) -> str | None: ...
    @property
    def repo_commit(self) -> Sha | None: ...


class RepoChoice(Protocol):
    """The settings of a repo that choose the version of its automatic units."""

    @property
    def default_branch(self) -> str | None: ...
    @property
    def default_commit(self) -> Sha | None: ...
    @property
    def is_auto_update_repo(self) -> bool: ...
    @property
    def is_only_tag_update(self) -> bool: ...
    @property
    def is_compilable_repo(self) -> bool: ...


@frozen
class TargetRule:
    """``follows_branch``: the newest commit that fits, else exactly ``commit``."""

    branch: str | None
    follows_branch: bool
    commit: Sha | None
    needs_tag: bool


def target_rule(unit: UnitChoice | None, repo: RepoChoice) -> TargetRule:
    """The rule for a unit, or for the repo's automatic units when ``unit`` is None."""
    if unit is not None and not unit.is_auto_update_from_repo_unit:
        return TargetRule(unit.repo_branch, False, unit.repo_commit, repo.is_compilable_repo)
    if repo.is_auto_update_repo:
        return TargetRule(
            repo.default_branch, True, None, repo.is_compilable_repo or repo.is_only_tag_update
        )
    return TargetRule(repo.default_branch, False, repo.default_commit, repo.is_compilable_repo)


def target_version(rule: TargetRule, history: Sequence[Commit] | None) -> Version:
    """The commit the rule leads to.

    ``history`` is the rule's branch, newest first, or None when there is no such branch. Raises
    ``Invalid`` (topic git) with the reason when no commit fits.
    """
    if rule.branch is None:
        raise Invalid("no branch is chosen", Topic.GIT)
    if history is None:
        raise Invalid(f"branch {rule.branch!r} does not exist", Topic.GIT)
    if rule.follows_branch:
        for found in history:
            if found.tag is not None or not rule.needs_tag:
                return Version(found.commit, found.tag)
        wanted = "tag" if rule.needs_tag else "commit"
        raise Invalid(f"branch {rule.branch!r} has no {wanted}", Topic.GIT)
    if rule.commit is None:
        raise Invalid("no commit is chosen", Topic.GIT)
    for found in history:
        if found.commit == rule.commit:
            if rule.needs_tag and found.tag is None:
                raise Invalid(f"commit {rule.commit} carries no tag", Topic.GIT)
            return Version(found.commit, found.tag)
    raise Invalid(f"commit {rule.commit} is not on branch {rule.branch!r}", Topic.GIT)


def firmware_asset(releases: Releases | None, tag: str | None, platform: str | None) -> Asset:
    """The asset a compilable program's unit downloads for its platform.

    Raises ``Invalid``: topic entity without stored releases, topic git when the tag has no
    assets or the platform is not among them.
    """
    if not releases:
        raise Invalid("the registry has no releases", Topic.ENTITY)
    assets = releases.get(tag or "", ())
    if not assets:
        raise Invalid(f"tag {tag!r} has no release assets", Topic.GIT)
    for asset in assets:
        if asset.name == platform:
            return asset
    known = ", ".join(asset.name for asset in assets)
    raise Invalid(f"platform {platform!r} is not one of: {known}", Topic.GIT)

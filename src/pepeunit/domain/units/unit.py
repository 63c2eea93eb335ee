"""A unit: one device and the program it runs (spec devices.md 4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, field, frozen

from pepeunit.domain.access.policy import Resource
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RepoId, UnitId, UserId
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.state import UnitState
from pepeunit.domain.units.update import UpdateProgress

TOKEN_GRACE: Final = timedelta(hours=24)
"""How long a rotated token stays valid while the device does not use the new one."""


@frozen
class Unit:
    """``built_commit`` is the commit its nodes, schema, env and archive belong to (rulings 21);
    ``current_commit_version`` the one the device last reported. ``token_generation`` is the
    ``gen`` its token must claim; until ``old_token_until`` that of ``old_token_generation``, which
    the device still holds after a rotation, is valid beside it (rulings 16)."""

    uuid: UnitId
    name: str
    visibility_level: Visibility
    repo_uuid: RepoId
    creator_uuid: UserId
    create_datetime: datetime
    last_update_datetime: datetime
    is_auto_update_from_repo_unit: bool = True
    target_firmware_platform: str | None = None
    repo_branch: str | None = None
    repo_commit: Sha | None = None
    built_commit: Sha | None = None
    built_tag: str | None = None
    current_commit_version: Sha | None = None
    unit_state: UnitState | None = None
    state_datetime: datetime | None = None
    update: UpdateProgress = field(factory=UpdateProgress)
    token_generation: int = 0
    old_token_generation: int | None = None
    old_token_until: datetime | None = None
    is_online: bool = False
    last_seen_datetime: datetime | None = None

    @property
    def version_choice(self) -> tuple[bool, str | None, Sha | None, str | None]:
        """The settings that decide which version the unit should run."""
        return (
            self.is_auto_update_from_repo_unit,
            self.repo_branch,
            self.repo_commit,
            self.target_firmware_platform,
        )

    @property
    def runs_built_version(self) -> bool:
        """Whether the device last reported the commit that everything is built for."""
        return self.built_commit is not None and self.current_commit_version == self.built_commit

    def accepts_token(self, generation: int, now: datetime) -> bool:
        """Whether a token of that generation opens this unit now."""
        if generation == self.token_generation:
            return True
        until = self.old_token_until
        return generation == self.old_token_generation and until is not None and now < until

    def with_rotated_token(self, now: datetime) -> Unit:
        """A new generation. Rotated twice before the device learnt of it, the one the device holds
        stays the old one: nobody ever used what was made between."""
        old = self.token_generation
        if self.old_token_until is not None and now < self.old_token_until:
            old = old if self.old_token_generation is None else self.old_token_generation
        return evolve(
            self,
            token_generation=self.token_generation + 1,
            old_token_generation=old,
            old_token_until=now + TOKEN_GRACE,
        )

    def with_revoked_token(self) -> Unit:
        """A new generation, and no other."""
        return evolve(self.without_old_token(), token_generation=self.token_generation + 1)

    def without_old_token(self) -> Unit:
        return evolve(self, old_token_generation=None, old_token_until=None)

    def resource(self, *, permitted: bool = False) -> Resource:
        return Resource(
            name="unit",
            visibility=self.visibility_level,
            creator=self.creator_uuid,
            permitted=permitted,
            unit=self.uuid,
        )


def version_choice_violations(unit: Unit) -> Iterable[tuple[str, str]]:
    """A unit with a version of its own needs both branch and commit (error topic unit)."""
    if unit.is_auto_update_from_repo_unit:
        return
    if unit.repo_branch is None:
        yield "repo_branch", "is needed when the unit does not follow its repo"
    if unit.repo_commit is None:
        yield "repo_commit", "is needed when the unit does not follow its repo"

"""A known git remote that we mirror (spec devices.md 2)."""

from __future__ import annotations

import enum
from datetime import datetime

from attrs import frozen

from pepeunit.domain.access.policy import Resource
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.version import Releases


class GitPlatform(enum.Enum):
    GITLAB = "Gitlab"
    GITHUB = "Github"


class SyncStatus(enum.Enum):
    UPDATED = "Updated"
    PROCESSING = "Processing"
    ERROR = "Error"


@frozen
class Registry:
    """``releases`` is None where there are none;
    ``sync_progress`` 0..100 while a sync runs; sizes in bytes."""

    uuid: RegistryId
    platform: GitPlatform
    repository_url: str
    is_public_repository: bool
    create_datetime: datetime
    last_update_datetime: datetime
    creator_uuid: UserId | None
    releases: Releases | None = None
    local_repository_size: int = 0
    sync_status: SyncStatus | None = None
    sync_error: str | None = None
    sync_progress: int | None = None
    sync_last_datetime: datetime | None = None

    def resource(self, *, credentials_valid: bool = False, builds_on_it: bool = False) -> Resource:
        """Every user sees the record of a private registry; anonymous callers do not."""
        return Resource(
            name="registry",
            visibility=Visibility.PUBLIC if self.is_public_repository else Visibility.INTERNAL,
            creator=self.creator_uuid,
            credentials_valid=credentials_valid,
            builds_on_it=builds_on_it,
        )

"""A person's access to a private registry (spec devices.md 2)."""

from __future__ import annotations

import enum

from attrs import field, frozen


class CredentialStatus(enum.Enum):
    NOT_VERIFIED = "NotVerified"
    VALID = "Valid"
    ERROR = "Error"


@frozen
class GitCredentials:
    """A user name and a personal access token; the token never appears in ``repr``."""

    username: str
    pat_token: str = field(repr=False)


@frozen
class CredentialSlot:
    """One user's credentials of one registry, with the outcome of the last probe."""

    credentials: GitCredentials
    status: CredentialStatus

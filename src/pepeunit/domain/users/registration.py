"""Who may open an account: the mode, and invites (spec access.md W25)."""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from pepeunit.domain.ids import InviteId, UserId

INVITE_DEFAULT: Final = timedelta(days=7)
INVITE_MAX: Final = timedelta(days=30)


class Registration(enum.Enum):
    """``INVITE``: with an invite alone. ``CLOSED``: at the machine alone."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


@frozen
class Invite:
    """Good for one account until it expires; of its text only the digest is kept."""

    uuid: InviteId
    digest: str = field(repr=False)
    creator_uuid: UserId
    create_datetime: datetime
    expiration_datetime: datetime

    def is_valid(self, now: datetime) -> bool:
        return now < self.expiration_datetime


def invite_digest(text: str) -> str:
    """A plain digest is enough: the text is 32 random bytes, which nobody guesses."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()

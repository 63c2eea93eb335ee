"""API tokens: what a person gives to a script instead of a password (W26, decision 0106).

``pu_`` + 43 letters and digits of 32 random bytes + 6 of their checksum: a scanner that looks for
leaks finds the form, and a mistyped text is refused without asking a store.
"""

from __future__ import annotations

import hashlib
import re
import string
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.ids import ApiTokenId, UnitId, UserId

PREFIX: Final = "pu_"
SECRET_LENGTH: Final = 43
CHECKSUM_LENGTH: Final = 6
API_TOKENS_MAX: Final = 50
"""How many one person may have."""
API_TOKEN_UNITS_MAX: Final = 100
"""How many units one token can name."""
API_TOKEN_LIFETIME_MAX: Final = timedelta(days=366)
"""A token that expires does so within this; one without expiry lasts until it is revoked."""
LAST_USE_INTERVAL: Final = timedelta(minutes=1)
NAME_LENGTH_MAX: Final = 64
HINT_LENGTH: Final = 4

_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")


@frozen
class ApiToken:
    """Of its text only the digest is kept, and ``hint``, the last letters before the checksum, by
    which its owner knows a leaked one. ``units`` None is no limit."""

    uuid: ApiTokenId
    digest: str = field(repr=False)
    hint: str
    name: str
    creator_uuid: UserId
    scope: TokenScope
    units: frozenset[UnitId] | None
    create_datetime: datetime
    expiration_datetime: datetime | None = None
    last_use_datetime: datetime | None = None

    @property
    def restriction(self) -> Restriction:
        return Restriction(self.scope, self.units)

    def is_valid(self, now: datetime) -> bool:
        return self.expiration_datetime is None or now < self.expiration_datetime

    def is_use_due(self, now: datetime) -> bool:
        """Whether the last use that is written down is old enough to be written anew."""
        last = self.last_use_datetime
        return last is None or now - last >= LAST_USE_INTERVAL


def _base62(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        letters.append(_DIGITS[digit])
    return "".join(reversed(letters))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def api_token_text(secret: bytes) -> str:
    """The text of a token from 32 random bytes."""
    body = _base62(int.from_bytes(secret, "big"), SECRET_LENGTH)
    return f"{PREFIX}{body}{_checksum(body)}"


def api_token_hint(text: str) -> str:
    return text[:-CHECKSUM_LENGTH][-HINT_LENGTH:]


def is_api_token(text: str) -> bool:
    """Whether the text means to be one; no JWT begins so."""
    return text.startswith(PREFIX)


def require_intact(text: str) -> None:
    """Raise ``Unauthenticated`` for what cannot have been issued."""
    body, checksum = text[len(PREFIX) : -CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    if _FORM.fullmatch(text) is None or _checksum(body) != checksum:
        raise Unauthenticated("token is invalid")


def api_token_digest(text: str) -> str:
    """A plain digest is enough: nobody guesses 32 random bytes."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def name_violations(name: str) -> Iterable[tuple[str, str]]:
    """What a token may not be called (error topic user)."""
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        yield "name", f"must have 1 to {NAME_LENGTH_MAX} characters"
    if not name.isprintable():
        yield "name", "may hold printable characters alone"

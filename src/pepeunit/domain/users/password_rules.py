"""The rules for logins and passwords (spec access.md 2.1, rulings 14)."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable
from typing import Final

from pepeunit.domain.names import DEFAULT_NAME_SYMBOLS, name_violations

PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 100
DEFAULT_PASSWORD_SYMBOLS: Final = string.ascii_letters + string.digits + string.punctuation


def login_violations(
    login: str, symbols: Collection[str] = DEFAULT_NAME_SYMBOLS
) -> Iterable[tuple[str, str]]:
    """All-digit logins are refused so that a login is never taken for a chat id (W19)."""
    yield from name_violations("login", login, symbols)
    if login.isdigit():
        yield "login", "must not consist of digits alone"


def password_violations(
    password: str, symbols: Collection[str] = DEFAULT_PASSWORD_SYMBOLS
) -> Iterable[tuple[str, str]]:
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        yield (
            "password",
            f"must have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters",
        )
    if set(password) - set(symbols):
        yield "password", "holds a character that is not allowed here"

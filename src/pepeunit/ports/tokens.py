"""Signing and reading tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class TokenSigner(Protocol):
    """HS256 JSON web tokens as access.md 1.2 lays down."""

    def sign(self, claims: Mapping[str, str | int]) -> str:
        """The token; the same claims in the same order give the same text."""
        ...

    def verify(self, token: str) -> Mapping[str, object]:
        """The claims of a token whose signature holds; expiry is the caller's rule.

        Raises :class:`~pepeunit.domain.errors.Unauthenticated` for everything else.
        """
        ...

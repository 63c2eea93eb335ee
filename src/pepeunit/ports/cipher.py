"""Encryption at rest."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Cipher(Protocol):
    """AES-GCM texts bound to the row they belong to (rulings 19)."""

    def seal(self, text: str, entity: UUID) -> str:
        """The ciphertext ``<key id>:<nonce>.<ciphertext and tag>``, new at each call.

        Raises :class:`~pepeunit.domain.errors.OverLimit` (topic cipher) above
        ``PU_MAX_CIPHER_LENGTH`` characters.
        """
        ...

    def open(self, sealed: str, entity: UUID) -> str:
        """The text. Raises :class:`~pepeunit.domain.errors.Invalid` (topic cipher) when the key
        is unknown or the text was changed or belongs to another entity."""
        ...

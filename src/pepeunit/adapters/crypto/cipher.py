"""AES-GCM texts with a key id, bound to their entity (spec access.md 8; rulings 19)."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepeunit.domain.errors import Invalid, OverLimit, Topic

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_BYTES: Final = frozenset({16, 24, 32})
DEFAULT_KEY_ID: Final = "k1"
"""The id of the key in ``PU_ENCRYPT_KEY``."""
TEXT_CHARS_MAX: Final = 1_000_000
"""``PU_MAX_CIPHER_LENGTH``."""


def _ciphers(keys: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> dict[str, AESGCM]:
    return {key_id: AESGCM(key) for key_id, key in dict(keys).items()}


@frozen
class AesGcmCipher:
    """Implements :class:`~pepeunit.ports.cipher.Cipher`.

    ``keys`` maps a key id to 16, 24 or 32 bytes; the first one seals, all of them open. Sealed
    form: ``<key id>:<base64 nonce>.<base64 ciphertext and tag>`` with the entity's uuid bytes as
    associated data. The plain two-part form of the reference platform (no key id, no associated
    data) is still read, with every key in turn.
    """

    _ciphers: Mapping[str, AESGCM] = field(alias="keys", converter=_ciphers, repr=False)
    text_chars_max: int = TEXT_CHARS_MAX

    @property
    def sealing_key_id(self) -> str:
        """The id of the key new texts are sealed with."""
        return next(iter(self._ciphers))

    def seal(self, text: str, entity: UUID) -> str:
        if len(text) > self.text_chars_max:
            raise OverLimit(
                f"the text has {len(text)} characters, at most {self.text_chars_max} are encrypted",
                Topic.CIPHER,
                limit=self.text_chars_max,
                actual=len(text),
            )
        key_id = self.sealing_key_id
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[key_id].encrypt(nonce, text.encode(), entity.bytes)
        return f"{key_id}:{b64encode(nonce).decode()}.{b64encode(sealed).decode()}"

    def open(self, sealed: str, entity: UUID) -> str:
        key_id, colon, body = sealed.rpartition(":")
        nonce, ciphertext = _parts(body)
        if not colon:
            return _opened(self._ciphers.values(), nonce, ciphertext, None)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Invalid(f"no key {key_id!r} is known: add it to PU_ENCRYPT_KEYS", Topic.CIPHER)
        return _opened((cipher,), nonce, ciphertext, entity.bytes)


def _parts(body: str) -> tuple[bytes, bytes]:
    try:
        nonce, ciphertext = (b64decode(part, validate=True) for part in body.split("."))
    except (Base64Error, ValueError) as error:
        raise Invalid("the encrypted text is malformed", Topic.CIPHER) from error
    if len(nonce) != NONCE_BYTES or len(ciphertext) < TAG_BYTES:
        raise Invalid("the encrypted text is malformed", Topic.CIPHER)
    return nonce, ciphertext


def _opened(
    ciphers: Iterable[AESGCM], nonce: bytes, ciphertext: bytes, associated: bytes | None
) -> str:
    for cipher in ciphers:
        try:
            return cipher.decrypt(nonce, ciphertext, associated).decode()
        except InvalidTag:
            continue
    raise Invalid("the encrypted text was changed or belongs elsewhere", Topic.CIPHER)

"""JSON web tokens signed with HS256 (spec access.md 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import jwt
from attrs import field, frozen
from jwt.types import Options

from pepeunit.domain.errors import Invalid, Topic, Unauthenticated

ALGORITHM: Final = "HS256"
SECRET_BYTES_MIN: Final = 32
"""A key shorter than the digest weakens HS256 (RFC 7518, 3.2)."""
TOKEN_CHARS_MAX: Final = 4096
"""Longer texts are refused before they are parsed."""
VERIFIED_MAX: Final = 1_024
"""So many tokens are remembered as genuine: a signature that held once holds for ever, and what
it claims (its end, its generation) is judged on every use all the same."""

_SIGNATURE_ONLY: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@frozen
class JwtTokens:
    """Implements :class:`~pepeunit.ports.tokens.TokenSigner`.

    ``secret`` is the text of ``PU_SECRET_KEY``; its UTF-8 bytes are the key, base64 is not
    decoded. Raises ``Invalid`` for a secret below 32 bytes.
    """

    secret: str = field(repr=False)
    _verified: dict[str, Mapping[str, object]] = field(
        init=False, factory=dict, eq=False, repr=False
    )

    def __attrs_post_init__(self) -> None:
        if len(self.secret.encode()) < SECRET_BYTES_MIN:
            raise Invalid(
                [("PU_SECRET_KEY", f"at least {SECRET_BYTES_MIN} bytes are needed")], Topic.CIPHER
            )

    def sign(self, claims: Mapping[str, str | int]) -> str:
        return jwt.encode(dict(claims), self.secret, algorithm=ALGORITHM)

    def verify(self, token: str) -> Mapping[str, object]:
        known = self._verified.get(token)
        if known is not None:
            return known
        if len(token) > TOKEN_CHARS_MAX:
            raise Unauthenticated("Token is invalid")
        try:
            claims = jwt.decode(token, self.secret, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            # RecursionError: a header of nested brackets is parsed before the signature is checked
            raise Unauthenticated("Token is invalid") from error
        if len(self._verified) >= VERIFIED_MAX:
            self._verified.clear()
        return self._verified.setdefault(token, MappingProxyType(claims))

"""Where in a request's headers the token is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pepeunit.domain.access.api_tokens import is_api_token

TOKEN_HEADER: Final = "x-auth-token"  # noqa: S105 the name of a header, not a secret
BEARER: Final = "bearer"


def presented_token(headers: Mapping[str, str]) -> str | None:
    """The token of a request; ``headers`` are looked up without regard to case.

    ``x-auth-token`` counts first. ``Authorization: Bearer`` counts for API tokens alone: what a
    proxy in front adds there for itself is not ours.
    """
    token = headers.get(TOKEN_HEADER)
    if token:
        return token
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == BEARER and is_api_token(credentials):
        return credentials
    return token

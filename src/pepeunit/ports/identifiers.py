"""Fresh randomness: identities and device keys."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

NewUuid = Callable[[], UUID]
NewSecret = Callable[[], str]
"""Base64 of 32 random bytes."""

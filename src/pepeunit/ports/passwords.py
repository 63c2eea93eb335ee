"""Password hashing; slow on purpose, so it is asynchronous."""

from __future__ import annotations

from typing import Protocol


class PasswordHasher(Protocol):
    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password fits. None (no such account) takes the same time and is False."""
        ...

    def needs_rehash(self, stored: str) -> bool: ...

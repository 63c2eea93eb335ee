"""Password hashes: argon2id, and the reference platform's PBKDF2 read (access.md 2.1; rulings 20).

Stored forms::

    $argon2id$v=19$m=65536,t=3,p=4$<salt>$<hash>            ours
    pbkdf2:<base64 random salt part>:<base64 hash>          taken over from the reference platform

The reference salt is the *text* of the random part followed by the ``PU_STATIC_SALT`` text; an
import opens ``cipher_dynamic_salt`` and writes its text between the colons.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest
from typing import Final, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from attrs import define, field, frozen

from pepeunit.domain.errors import Unavailable

T = TypeVar("T")

THREADS: Final = 2
"""At 64 MiB a hash, this bounds the memory logins can take."""
WAITING_MAX: Final = 256
"""Callers that may wait for a thread; further ones are turned away."""
PBKDF2_PREFIX: Final = "pbkdf2"
PBKDF2_ROUNDS: Final = 100_000
PBKDF2_BYTES: Final = 32
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32


@frozen
class Argon2Cost:
    """The work of one hash; tests pass a cheap one."""

    rounds: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


@define
class Argon2Passwords:
    """Implements :class:`~pepeunit.ports.passwords.PasswordHasher`.

    Hashes run in two threads behind a semaphore. Raises ``Unavailable`` when more than 256
    callers wait. An account that still holds a PBKDF2 hash answers in the time of PBKDF2 until
    its first login upgrades it.
    """

    static_salt: str = field(repr=False)
    cost: Argon2Cost = field(factory=Argon2Cost)
    _threads: ThreadPoolExecutor = field(init=False, repr=False)
    _free: asyncio.Semaphore = field(init=False, repr=False)
    _waiting: int = field(init=False, default=0, repr=False)
    _argon2: argon2.PasswordHasher = field(init=False, repr=False)
    _dummy: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._free = asyncio.Semaphore(THREADS)
        self._argon2 = argon2.PasswordHasher(
            time_cost=self.cost.rounds,
            memory_cost=self.cost.memory_kib,
            parallelism=self.cost.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
        )
        self._dummy = _hash_of_nothing(self.cost)

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._argon2.hash(password))

    async def verify(self, password: str, stored: str | None) -> bool:
        return await self._in_thread(
            lambda: self._fits(password, self._dummy if stored is None else stored)
        )

    def needs_rehash(self, stored: str) -> bool:
        try:
            return self._argon2.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """Let the threads go; running hashes finish."""
        self._threads.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("password hashing", "too many logins at once, try again")
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def _fits(self, password: str, stored: str) -> bool:
        if stored.startswith(f"{PBKDF2_PREFIX}:"):
            return _fits_pbkdf2(password, stored, self.static_salt)
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def _fits_pbkdf2(password: str, stored: str, static_salt: str) -> bool:
    _, _, rest = stored.partition(":")
    random_part, _, expected = rest.partition(":")
    found = hashlib.pbkdf2_hmac(
        "sha256",
        password.encode(),
        (random_part + static_salt).encode(),
        PBKDF2_ROUNDS,
        PBKDF2_BYTES,
    )
    try:
        return compare_digest(found, b64decode(expected, validate=True))
    except (Base64Error, ValueError):
        return False


def _hash_of_nothing(cost: Argon2Cost) -> str:
    """A hash no password fits, as slow to check as a real one and free to make."""
    salt, digest = (
        b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.rounds},p={cost.lanes}${salt}${digest}"

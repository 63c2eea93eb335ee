"""Password hashing (spec access.md 2.1; rulings 20)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Iterator

import pytest

from pepeunit.adapters.crypto.passwords import WAITING_MAX, Argon2Cost, Argon2Passwords
from pepeunit.domain.errors import Unavailable

CHEAP = Argon2Cost(rounds=1, memory_kib=8, lanes=1)
STATIC_SALT = "pepper"


@pytest.fixture
def passwords() -> Iterator[Argon2Passwords]:
    hasher = Argon2Passwords(STATIC_SALT, CHEAP)
    yield hasher
    hasher.close()


def reference_hash(password: str) -> str:
    random_part = base64.b64encode(bytes(range(16))).decode()
    digest = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), (random_part + STATIC_SALT).encode(), 100_000, 32
    )
    return f"pbkdf2:{random_part}:{base64.b64encode(digest).decode()}"


async def test_only_the_right_password_fits(passwords: Argon2Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("correct house", stored)


async def test_the_same_password_hashes_differently(passwords: Argon2Passwords) -> None:
    assert await passwords.hash("same") != await passwords.hash("same")


async def test_w35_a_reference_hash_fits_and_asks_for_an_upgrade(
    passwords: Argon2Passwords,
) -> None:
    stored = reference_hash("old password")
    assert await passwords.verify("old password", stored)
    assert not await passwords.verify("new password", stored)
    assert passwords.needs_rehash(stored)
    assert not passwords.needs_rehash(await passwords.hash("old password"))


async def test_a_hash_of_other_cost_asks_for_an_upgrade(passwords: Argon2Passwords) -> None:
    dearer = Argon2Passwords(STATIC_SALT, Argon2Cost(rounds=2, memory_kib=8, lanes=1))
    stored = await dearer.hash("x")
    assert passwords.needs_rehash(stored)
    assert await passwords.verify("x", stored)
    dearer.close()


@pytest.mark.parametrize("stored", ["", "nonsense", "pbkdf2:", "pbkdf2:a:é", "$argon2id$v=19$m=8"])
async def test_a_damaged_hash_fits_nothing(passwords: Argon2Passwords, stored: str) -> None:
    assert not await passwords.verify("x", stored)
    assert passwords.needs_rehash(stored)


async def test_w20_no_account_takes_the_time_of_a_wrong_password() -> None:
    hasher = Argon2Passwords(STATIC_SALT, Argon2Cost(rounds=2, memory_kib=16_384, lanes=1))
    stored = await hasher.hash("right")

    async def fastest(known: str | None) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            assert not await hasher.verify("wrong", known)
            times.append(time.process_time() - start)
        return min(times)

    assert await fastest(None) == pytest.approx(await fastest(stored), rel=0.5)
    hasher.close()


async def test_the_queue_for_a_thread_is_bounded(passwords: Argon2Passwords) -> None:
    found = await asyncio.gather(
        *(passwords.verify("x", None) for _ in range(WAITING_MAX + 1)), return_exceptions=True
    )
    assert [type(one) for one in found].count(Unavailable) == 1
    assert await passwords.verify("x", await passwords.hash("x"))


def test_the_static_salt_is_never_printed(passwords: Argon2Passwords) -> None:
    assert STATIC_SALT not in repr(passwords)

"""Encryption at rest (spec access.md 8; rulings 19)."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.ports.cipher import Cipher

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
UNIT = UUID("2f6a1f2e-0000-4000-8000-000000000001")
OTHER = UUID("2f6a1f2e-0000-4000-8000-000000000002")
CIPHER: Cipher = AesGcmCipher({"k1": OLD})


def reference_form(text: str, key: bytes) -> str:
    nonce = bytes(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), None)
    return base64.b64encode(nonce).decode() + "." + base64.b64encode(sealed).decode()


@given(st.text())
def test_what_was_sealed_opens(text: str) -> None:
    assert CIPHER.open(CIPHER.seal(text, UNIT), UNIT) == text


def test_the_form_names_the_key_and_has_two_parts() -> None:
    key_id, _, body = CIPHER.seal("secret", UNIT).partition(":")
    nonce, sealed = body.split(".")
    assert key_id == "k1"
    assert len(base64.b64decode(nonce)) == 12
    assert len(base64.b64decode(sealed)) == len("secret") + 16


def test_sealing_twice_gives_different_texts() -> None:
    assert CIPHER.seal("same", UNIT) != CIPHER.seal("same", UNIT)


def test_w34_a_text_of_another_entity_does_not_open() -> None:
    with pytest.raises(Invalid) as refusal:
        CIPHER.open(CIPHER.seal("secret", UNIT), OTHER)
    assert refusal.value.topic is Topic.CIPHER


def test_a_text_stripped_of_its_key_id_does_not_open() -> None:
    with pytest.raises(Invalid):
        CIPHER.open(CIPHER.seal("secret", UNIT).partition(":")[2], UNIT)


def test_the_plain_form_of_the_reference_platform_is_read() -> None:
    assert CIPHER.open(reference_form("{}", OLD), UNIT) == "{}"
    assert AesGcmCipher({"k2": NEW, "k1": OLD}).open(reference_form("{}", OLD), UNIT) == "{}"


def test_the_first_key_seals_and_older_ones_still_open() -> None:
    rotated = AesGcmCipher({"k2": NEW, "k1": OLD})
    assert rotated.seal("x", UNIT).startswith("k2:")
    assert rotated.open(CIPHER.seal("x", UNIT), UNIT) == "x"


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(Invalid, match="k2"):
        CIPHER.open(AesGcmCipher({"k2": NEW}).seal("x", UNIT), UNIT)


@pytest.mark.parametrize(
    "sealed",
    ["", "k1:", ".", "k1:a.b.c", "k1:AAAA.AAAA", "k1:é.é", "nonsense", "k1:AAAA AAAA.AAAA"],
)
def test_malformed_texts_are_invalid(sealed: str) -> None:
    with pytest.raises(Invalid):
        CIPHER.open(sealed, UNIT)


def test_every_changed_byte_is_noticed() -> None:
    head, _, body = CIPHER.seal("secret", UNIT).rpartition(".")
    raw = base64.b64decode(body)
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(Invalid):
            CIPHER.open(f"{head}.{base64.b64encode(changed).decode()}", UNIT)


def test_a_text_over_the_limit_is_refused_by_characters() -> None:
    small: Cipher = AesGcmCipher({"k1": OLD}, text_chars_max=3)
    assert small.open(small.seal("ёёё", UNIT), UNIT) == "ёёё"
    with pytest.raises(OverLimit) as refusal:
        small.seal("ёёёё", UNIT)
    assert (refusal.value.limit, refusal.value.actual) == (3, 4)
    assert refusal.value.topic is Topic.CIPHER


def test_keys_are_never_printed() -> None:
    assert str(OLD) not in repr(CIPHER)
    assert "AESGCM" not in repr(CIPHER)

"""The token signer against what clients in the field hold (spec access.md 1.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import jwt
import pytest

from pepeunit.adapters.crypto.tokens import TOKEN_CHARS_MAX, VERIFIED_MAX, JwtTokens
from pepeunit.domain.errors import Invalid, Unauthenticated
from pepeunit.ports.tokens import TokenSigner

SECRET = base64.b64encode(bytes(range(32))).decode()
UNIT = {"uuid": "2f6a1f2e-0000-4000-8000-000000000001", "type": "Unit"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token_of(header: object, payload: object, secret: str = SECRET) -> str:
    signed = ".".join(
        b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)
    )
    return signed + "." + b64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))


@pytest.fixture
def tokens() -> TokenSigner:
    return JwtTokens(SECRET)


def test_the_bytes_are_those_of_the_contract(tokens: TokenSigner) -> None:
    assert tokens.sign(UNIT) == token_of({"alg": "HS256", "typ": "JWT"}, UNIT)


def test_the_order_of_claims_is_kept(tokens: TokenSigner) -> None:
    backend = tokens.sign({"domain": "iot.example", "type": "Backend"})
    payload = backend.split(".")[1]
    decoded = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    assert decoded == b'{"domain":"iot.example","type":"Backend"}'


def test_signing_twice_gives_the_same_ascii_text(tokens: TokenSigner) -> None:
    claims = {"domain": "дом.example", "type": "Backend"}
    assert tokens.sign(claims) == tokens.sign(claims)
    assert tokens.sign(claims).isascii()


def test_claims_come_back(tokens: TokenSigner) -> None:
    assert tokens.verify(tokens.sign({**UNIT, "exp": 1, "gen": 3})) == {**UNIT, "exp": 1, "gen": 3}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "é.é.é",
        "\ud800.a.b",
        token_of({"alg": "HS256", "typ": "JWT"}, UNIT, secret="x" * 44),
        token_of({"alg": "HS256", "typ": "JWT"}, ["not", "an", "object"]),
        token_of({"alg": "HS384", "typ": "JWT"}, UNIT),
        token_of({"alg": "none", "typ": "JWT"}, UNIT),
        token_of({"alg": "none", "typ": "JWT"}, UNIT).rpartition(".")[0] + ".",
        jwt.encode(UNIT, SECRET * 2, algorithm="HS512"),
        b64(b"[" * 2900) + ".e30.AA",
        token_of({"alg": "HS256", "typ": "JWT"}, {"text": "x" * TOKEN_CHARS_MAX}),
    ],
)
def test_everything_else_is_unauthenticated(tokens: TokenSigner, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_a_changed_payload_is_unauthenticated(tokens: TokenSigner) -> None:
    header, _, signature = tokens.sign(UNIT).split(".")
    other = b64(json.dumps({**UNIT, "type": "User"}).encode())
    with pytest.raises(Unauthenticated):
        tokens.verify(f"{header}.{other}.{signature}")


def test_a_short_secret_is_refused_and_never_printed() -> None:
    with pytest.raises(Invalid) as refusal:
        JwtTokens("hunter2hunter2")
    assert "hunter2" not in str(refusal.value)
    assert SECRET not in repr(JwtTokens(SECRET))


def test_w26_a_token_that_was_verified_before_opens_nothing_for_another(
    tokens: TokenSigner,
) -> None:
    good = tokens.sign(UNIT)
    assert tokens.verify(good) is tokens.verify(good)
    head, body, sign = good.split(".")
    other = b64(json.dumps({**UNIT, "uuid": UNIT["uuid"][:-1] + "2"}).encode())
    for forged in (f"{head}.{other}.{sign}", f"{head}.{body}.{sign[::-1]}", f"{head}.{body}."):
        with pytest.raises(Unauthenticated):
            tokens.verify(forged)
    claims = tokens.verify(good)
    with pytest.raises(TypeError):
        claims["type"] = "Backend"  # type: ignore[index]


def test_only_so_many_tokens_are_remembered_and_no_bad_one() -> None:
    tokens = JwtTokens(SECRET)
    for number in range(VERIFIED_MAX + 1):
        tokens.verify(tokens.sign({"uuid": str(number), "type": "Unit"}))
        with pytest.raises(Unauthenticated):
            tokens.verify(f"bad{number}")
    assert len(tokens._verified) == 1
    assert SECRET not in repr(tokens)
    assert "eyJ" not in repr(tokens)

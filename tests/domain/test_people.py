"""Tokens, logins, names and passwords (access.md 1.2, 2.1, 7; rulings 14, 16, 17)."""

from __future__ import annotations

import contextlib
import string
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.access.tokens import (
    BackendClaims,
    Claims,
    UnitClaims,
    UserClaims,
    read_claims,
)
from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.ids import UnitId, UserId
from pepeunit.domain.names import name_violations
from pepeunit.domain.users.password_rules import login_violations, password_violations
from tests.domain.making import NOW

SECONDS = int(NOW.timestamp())
ONE = UUID(int=1)

claims_values = st.one_of(
    st.builds(
        UserClaims,
        st.uuids().map(UserId),
        st.integers(SECONDS + 1, 2**40),
        st.integers(0, 100),
        st.none() | st.text(min_size=1),
    ),
    st.builds(UnitClaims, st.uuids().map(UnitId), st.integers(0, 100)),
    st.builds(BackendClaims, st.text()),
)


@given(claims_values)
def test_claims_read_back_as_they_were_made(claims: Claims) -> None:
    assert read_claims(claims.as_mapping(), NOW) == claims


def test_first_tokens_have_the_claims_of_the_contract_in_their_order() -> None:
    assert list(UserClaims(UserId(ONE), 5).as_mapping().items()) == [
        ("uuid", str(ONE)),
        ("type", "User"),
        ("exp", 5),
    ]
    assert list(UnitClaims(UnitId(ONE)).as_mapping().items()) == [
        ("uuid", str(ONE)),
        ("type", "Unit"),
    ]
    assert list(BackendClaims("d").as_mapping().items()) == [("domain", "d"), ("type", "Backend")]


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"type": "Grafana", "uuid": str(ONE)},
        {"type": ["User"], "uuid": str(ONE)},
        {"type": "User", "exp": SECONDS + 9},
        {"type": "User", "uuid": 5, "exp": SECONDS + 9},
        {"type": "User", "uuid": "x", "exp": SECONDS + 9},
        {"type": "User", "uuid": str(ONE)},
        {"type": "User", "uuid": str(ONE), "exp": None},
        {"type": "User", "uuid": str(ONE), "exp": str(SECONDS + 9)},
        {"type": "User", "uuid": str(ONE), "exp": True},
        {"type": "User", "uuid": str(ONE), "exp": SECONDS},
        {"type": "User", "uuid": str(ONE), "exp": SECONDS + 9, "gen": "1"},
        {"type": "Unit"},
        {"type": "Unit", "uuid": str(ONE), "gen": 1.0},
        {"type": "Unit", "uuid": str(ONE), "gen": True},
        {"type": "Backend"},
        {"type": "Backend", "domain": None},
    ],
)
def test_w46_claims_that_are_not_as_expected_are_refused(claims: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        read_claims(claims, NOW)


@given(
    st.dictionaries(
        st.sampled_from(["type", "uuid", "exp", "gen", "jti", "domain"]),
        st.sampled_from(["User", "Unit", "Backend", str(ONE), 2**70, None]) | st.floats(),
    )
)
def test_no_claims_make_the_reader_fail_otherwise(claims: dict[str, Any]) -> None:
    with contextlib.suppress(Unauthenticated):
        read_claims(claims, NOW)


NAME_SYMBOLS = string.ascii_letters + string.digits + "_-."


@given(st.text(NAME_SYMBOLS, min_size=4, max_size=20))
def test_names_of_4_to_20_known_symbols_are_good(name: str) -> None:
    assert not list(name_violations("name", name))


@given(st.text(max_size=30))
def test_other_names_are_named_as_bad(name: str) -> None:
    good = 4 <= len(name) <= 20 and set(name) <= set(NAME_SYMBOLS)
    assert bool(list(name_violations("name", name))) is not good


def test_a_name_can_break_both_rules_at_once() -> None:
    assert len(list(name_violations("name", "é"))) == 2


@pytest.mark.parametrize("login", ["12345", "00000000", "٣٣٣٣٣"])
def test_w19_a_login_of_digits_alone_is_refused(login: str) -> None:
    assert ("login", "must not consist of digits alone") in list(login_violations(login))


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("a" * 8, True),
        ("a" * 100, True),
        (string.punctuation, True),
        ("a" * 7, False),
        ("a" * 101, False),
        ("with space", False),
        ("pässword1", False),
        ("", False),
    ],
)
def test_passwords_have_8_to_100_printable_ascii_characters(password: str, good: bool) -> None:
    found = list(password_violations(password))
    assert bool(found) is not good
    assert all(password not in text for _, text in found) or not password

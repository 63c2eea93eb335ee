"""Errors over GraphQL: one text with its status in front (spec graphql.md 5, rulings 1-3)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from graphql import GraphQLError

from pepeunit.codecs.rest.refusals import LABELS, OUTSIDE_PARTIES
from pepeunit.codecs.rest.violations import PageOutOfRange, RequestInvalid, Violation
from pepeunit.domain import errors
from pepeunit.domain.errors import Topic, Unavailable
from pepeunit.entrypoints.graphql.refusals import told
from pepeunit.entrypoints.graphql.uploads import TooLarge
from pepeunit.usecases.access.unlimited_lists import TooManyLists
from tests.doors.graphql.platform import Gql
from tests.doors.http.test_refusals import FIXED, leaves, made


def as_told(cause: Exception) -> tuple[int, str]:
    answer = told(GraphQLError("", original_error=GraphQLError("", original_error=cause)))
    return answer.status, answer.detail


@pytest.mark.parametrize("topic", Topic)
@pytest.mark.parametrize("leaf", list(leaves()))
def test_every_leaf_and_topic_has_the_message_of_the_contract(leaf: Any, topic: Topic) -> None:
    status, about = FIXED.get(leaf.__name__, (422, topic))
    if leaf is errors.Throttled and topic is not Topic.REGISTRY:
        status, about = 429, Topic.ACCESS
    code, label = LABELS[about]
    assert as_told(made(leaf, topic)) == (status, f"{status}: {code}: {label}: text")


@pytest.mark.parametrize(("dependency", "topic"), list(OUTSIDE_PARTIES.items()))
def test_an_outside_party_that_is_down_is_a_refusal(dependency: str, topic: Topic) -> None:
    code, label = LABELS[topic]
    told_ = as_told(Unavailable(dependency, "no answer"))
    assert told_ == (422, f"422: {code}: {label}: {dependency}: no answer")


@pytest.mark.parametrize(
    ("cause", "status", "message"),
    [
        (PageOutOfRange("limit must be <= 500"), 422, "2: Validation Error: limit must be <= 500"),
        (TooManyLists(8), 503, "0: Unavailable: at most 8 lists without limit at a time"),
        (TooLarge(9), 413, "2: Validation Error: the body may have at most 9 bytes"),
        (Unavailable("PostgreSQL", "10.0.0.1"), 503, "0: Unavailable: PostgreSQL does not answer"),
        (
            RequestInvalid((Violation("x", ("body", 1, "a"), "Field required", "secret"),)),
            422,
            "2: Validation Error: body.1.a: Field required",
        ),
    ],
)
def test_every_other_error_has_its_status_in_front(
    cause: Exception, status: int, message: str
) -> None:
    found = as_told(cause)
    assert found[0] == status
    assert found[1].startswith(f"{status}: {message}")


def test_w23_a_bug_is_an_incident_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status, message = as_told(KeyError("a secret place"))
    assert (status, message[:35]) == (500, "500: 0: Internal Error: incident " + message[33:35])
    assert message.rpartition(" ")[2] in caplog.text
    assert "secret" not in message


SEARCH = "query($f: UnitFilterInput!) { getUnits(filters: $f) { count } }"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ({"limit": 501}, "limit must be <= 500"),
        ({"limit": -1}, "limit must be >= 0"),
        ({"offset": -1}, "offset must be >= 0"),
    ],
)
async def test_w24_pages_out_of_range(gql: Gql, page: dict[str, int], text: str) -> None:
    assert await gql.refused(SEARCH, f=page) == f"422: 2: Validation Error: {text}"


@pytest.mark.parametrize(
    ("query", "variables", "text"),
    [
        ("{", {}, "Syntax Error"),
        ("{ nothing }", {}, "Cannot query field 'nothing' on type 'Query'"),
        (SEARCH, {"f": {"nothing": 1}}, "not to include unknown field 'nothing'"),
        (SEARCH, {"f": {"visibilityLevel": ["Public"]}}, "'Public' does not exist in"),
        (SEARCH, {"f": {"limit": 2**31}}, "Int cannot represent non 32-bit"),
        (SEARCH, {"f": {"uuids": ["x"]}}, "Expected a UUID"),
        (SEARCH, {}, "Variable '$f'"),
        ("{ getUnits(filters: {visibilityLevel: [Public]}) { count } }", {}, "Public"),
        ("query a { __typename } query b { __typename }", {}, "Must provide operation name"),
    ],
)
async def test_what_is_no_request_is_told_in_the_library_s_words(
    gql: Gql, query: str, variables: dict[str, Any], text: str
) -> None:
    answer = await gql.ask(query, **variables)
    assert answer["data"] is None
    message = answer["errors"][0]["message"]
    assert message.startswith("422: 2: Validation Error: ")
    assert text in message


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (
            "query($d: UserAuthInput!) { getToken(data: $d) }",
            {"d": {"credentials": "a", "password": 987654}},
        ),
        (
            "query($d: UserAuthInput!) { getToken(data: $d) }",
            {"d": {"credentials": "a", "password": "987654", "more": 1}},
        ),
        ('{ getToken(data: {credentials: "a", password: 987654}) }', {}),
        ("{ getToken(data: 987654) }", {}),
        (
            """mutation($u: UUID!, $d: CredentialsInput!) {
                 setCredentials(uuid: $u, data: $d) { isNone } }""",
            {"u": "987654", "d": {"username": "987654", "patToken": ["987654"]}},
        ),
    ],
)
async def test_nothing_that_was_sent_is_repeated(
    gql: Gql, query: str, variables: dict[str, Any]
) -> None:
    answer = await gql.ask(query, **variables)
    assert answer["errors"]
    assert "987654" not in str(answer)


async def test_a_refused_token_fails_every_field_and_not_the_transport(gql: Gql) -> None:
    refused = await gql.refused("{ getBaseMetrics { userCount } }", "a.b.c")
    assert refused.startswith("403: 1: No Access: ")
    answer = await gql.ask("{ __typename __schema { queryType { name } } }", "a.b.c")
    assert "errors" not in answer
    answer = await gql.ask("mutation { deleteUserCookies { isNone } }", "a.b.c")
    assert answer == {"data": {"deleteUserCookies": {"isNone": True}}}


async def test_an_empty_token_is_none(gql: Gql) -> None:
    assert "errors" not in await gql.ask("{ getBaseMetrics { userCount } }", "")


async def test_an_error_carries_its_place(gql: Gql) -> None:
    query = "query($u: UUID!) { me: getUser(uuid: $u) { login } }"
    answer = await gql.ask(query, u="00000000-0000-0000-0000-000000000000")
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["path"] == ["me"]
    assert error["locations"] == [{"line": 1, "column": 20}]
    assert error["extensions"] == {"code": 403}


async def test_credentials_are_the_one_field_that_may_be_null(gql: Gql) -> None:
    await gql.sign_up("alice")
    answer = await gql.ask(
        """query($u: UUID!) { getCredentials(uuid: $u) { status } getBaseMetrics { userCount } }""",
        "alice",
        u="00000000-0000-0000-0000-000000000000",
    )
    assert answer["data"] == {"getCredentials": None, "getBaseMetrics": {"userCount": 1}}
    assert answer["errors"][0]["message"].startswith("422: 2: Validation Error: ")


async def test_an_unseen_thing_looks_like_an_absent_one(gql: Gql) -> None:
    await gql.sign_up("alice")
    query = "query($u: UUID!) { getUnit(uuid: $u) { name } }"
    absent = await gql.refused(query, "alice", u="00000000-0000-0000-0000-000000000000")
    assert absent.startswith("422: 2: Validation Error: ")


async def test_throttled_sign_ins_tell_when_to_come_back(gql: Gql) -> None:
    query = "query($d: UserAuthInput!) { getToken(data: $d) }"
    given = {"credentials": "alice", "password": "wrong"}
    for _ in range(10):
        refused = await gql.refused(query, d=given)
        assert refused == "403: 1: No Access: login or password is wrong"
    answer = await gql.ask(query, d=given)
    (error,) = answer["errors"]
    assert error["message"].startswith("429: 1: No Access: ")
    assert error["extensions"]["code"] == 429
    assert 0 < error["extensions"]["retryAfter"] <= 300


async def test_w23_a_bug_behind_a_field_is_an_incident(
    gql: Gql, caplog: pytest.LogCaptureFixture
) -> None:
    gql.database._world = None  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR):
        refused = await gql.refused("{ getBaseMetrics { userCount } }")
    assert refused.startswith("500: 0: Internal Error: incident ")
    assert "NoneType" not in refused
    assert refused.rpartition(" ")[2] in caplog.text


ABSENT = [
    ("query", "getVerificationUser", ""),
    ("query", "getDashboards(filters: {}) { count }", ""),
    ("query", "getDashboard(uuid: $u) { uuid }", "($u: UUID!)"),
    ("mutation", "setGrafanaCookies { isNone }", ""),
    ("mutation", "deleteDashboard(uuid: $u) { isNone }", "($u: UUID!)"),
    ("mutation", "deletePanel(uuid: $u) { isNone }", "($u: UUID!)"),
]


@pytest.mark.parametrize(("kind", "call", "variables"), ABSENT)
async def test_what_is_not_built_answers_as_a_feature_that_is_off(
    gql: Gql, kind: str, call: str, variables: str
) -> None:
    given = {"u": "00000000-0000-0000-0000-000000000000"} if variables else {}
    refused = await gql.refused(f"{kind} q{variables} {{ {call} }}", **given)
    assert refused.startswith("405: 15: Feature Flag Error: ")


@pytest.mark.parametrize(
    "query",
    [
        "query($a: Int = %s) { getUnits(filters: {limit: $a}) { count } }",
        "{ getUnits(filters: {limit: %s}) { count } }",
    ],
)
async def test_an_integer_of_too_many_digits_is_a_422_and_no_incident(gql: Gql, query: str) -> None:
    refused = await gql.refused(query % ("9" * 5000))
    assert refused.startswith("422: 2: ") and "999" not in refused

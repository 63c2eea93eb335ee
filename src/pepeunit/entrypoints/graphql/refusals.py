"""Errors as this door tells them: one text, its status in front (spec graphql.md 5).

Codes and labels are those of REST (:data:`pepeunit.codecs.rest.refusals.LABELS`).
"""

from __future__ import annotations

import logging
import re
from typing import Final
from uuid import uuid4

from graphql import GraphQLError, GraphQLSyntaxError, IntValueNode, ValueNode

from pepeunit.codecs.rest.refusals import (
    Answer,
    bug_answer,
    refusal_answer,
    too_large_answer,
    too_many_lists_answer,
    unavailable_answer,
)
from pepeunit.codecs.rest.violations import PageOutOfRange, RequestInvalid
from pepeunit.domain.errors import Invalid, Refused, Unavailable
from pepeunit.entrypoints.graphql.uploads import TooLarge
from pepeunit.usecases.access.unlimited_lists import TooManyLists

log = logging.getLogger(__name__)

TEXT_LENGTH_MAX: Final = 1000
VARIABLE: Final = re.compile(r"Variable '\$\w+' has invalid value[^:]*: ")


def told(error: GraphQLError) -> Answer:
    """Status, text and headers; an incident in the log for what nobody foresaw."""
    cause = _cause(error)
    match cause:
        case Refused():
            return refusal_answer(cause)
        case Unavailable():
            log.warning("unavailable: %s", cause)
            return unavailable_answer(cause)
        case PageOutOfRange():
            return _invalid(cause.text)
        case RequestInvalid():
            texts = (f"{'.'.join(map(str, one.loc))}: {one.msg}" for one in cause.violations)
            return _invalid("; ".join(texts))
        case TooManyLists():
            return too_many_lists_answer(cause.lists_max)
        case TooLarge():
            return too_large_answer(cause.bytes_max)
        case GraphQLError():
            return _invalid(_without_values(cause))
        case ValueError() if any(isinstance(node, IntValueNode) for node in error.nodes or ()):
            return _invalid("an integer in the document has too many digits")
        case _:
            incident = uuid4().hex[:12]
            log.error("incident %s", incident, exc_info=cause)
            return bug_answer(incident)


def _cause(error: GraphQLError) -> Exception:
    """What is not the library's own; else the error as the library worded it."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause or error


def _invalid(text: str) -> Answer:
    return refusal_answer(Invalid(text))


def _without_values(error: GraphQLError) -> str:
    """The library's wording, without what was sent: it may be a password (rulings 3)."""
    text = error.message
    lead = ""
    if found := VARIABLE.match(text):
        lead, text = text[: found.end()], text[found.end() :]
    is_literal = any(isinstance(node, ValueNode) for node in error.nodes or ())
    if (lead or is_literal) and not isinstance(error, GraphQLSyntaxError):
        text = re.split(r"(?:, found)?: ", text, maxsplit=1)[0]
    return (lead + text)[:TEXT_LENGTH_MAX]

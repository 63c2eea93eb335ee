"""The scalars of the contract (spec graphql.md 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from graphql import GraphQLError, GraphQLScalarType

from pepeunit.entrypoints.graphql.uploads import File


def read_uuid(value: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise GraphQLError("Expected a UUID") from None


def write_moment(moment: object) -> str:
    """Naive UTC with six digits of a second, left out when zero."""
    if not isinstance(moment, datetime):
        raise TypeError(f"{type(moment).__name__} is no moment")
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat()


def read_moment(value: Any) -> datetime:
    """Without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
        naive = moment.tzinfo is None
        return moment.replace(tzinfo=UTC) if naive else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise GraphQLError("Expected an ISO 8601 date") from None


def write_upload(value: Any) -> Any:
    raise TypeError("a file is never sent back")


def read_upload(value: Any) -> File:
    if not isinstance(value, File):
        raise GraphQLError("Expected a file of a multipart/form-data request")
    return value


SCALARS: Final[Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "UUID": (str, read_uuid),
    "DateTime": (write_moment, read_moment),
    "Upload": (write_upload, read_upload),
}
"""By name: what writes a value, and what reads one."""


def bind_scalar(scalar: GraphQLScalarType) -> None:
    write, read = SCALARS[scalar.name]
    scalar.coerce_output_value = write
    scalar.coerce_input_value = read

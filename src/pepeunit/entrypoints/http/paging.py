"""Query parameters that lists share, as the ports take them (spec rest.md 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.ports.paging import Order, OrderKey, Slice

T = TypeVar("T")


def slice_of(query: Paged) -> Slice:
    return Slice(query.offset, query.limit)


def order_by(*keys: tuple[OrderKey, Direction | None, Direction]) -> tuple[Order, ...]:
    """Orders from ``(key, given, default)`` in the contract's sequence; given keys lead."""
    leading = [Order(key, _descends(given)) for key, given, _ in keys if given is not None]
    following = [Order(key, _descends(default)) for key, given, default in keys if given is None]
    return (*leading, *following)


def _descends(direction: Direction) -> bool:
    return direction is Direction.DESCENDING


def newest_first(given: Direction | None) -> tuple[OrderKey, Direction | None, Direction]:
    return OrderKey.CREATE_DATETIME, given, Direction.DESCENDING


def last_changed_first(given: Direction | None) -> tuple[OrderKey, Direction | None, Direction]:
    return OrderKey.LAST_UPDATE_DATETIME, given, Direction.DESCENDING


def by_name(given: Direction | None) -> tuple[OrderKey, Direction | None, Direction]:
    return OrderKey.NAME, given, Direction.ASCENDING


def set_of(given: Iterable[T] | None) -> frozenset[T] | None:
    return None if given is None else frozenset(given)


def one_and_many(one: UUID | None, many: Iterable[UUID] | None) -> frozenset[UUID] | None:
    """Both filters hold where both are given."""
    wanted = set_of(many)
    if one is None:
        return wanted
    return frozenset({one}) if wanted is None else frozenset({one}) & wanted

"""Arguments that lists share, as the ports take them (spec graphql.md 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TypeVar
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.ports.paging import Order, OrderKey, Slice

E = TypeVar("E", bound=Enum)


@frozen
class Done:
    """What an operation gives that has nothing to tell."""

    is_none: bool = True


DONE = Done()


def slice_of(query: Paged) -> Slice:
    return Slice(query.offset, query.limit)


def among(uuids: Sequence[UUID] | None) -> frozenset[UUID] | None:
    """Null and an empty list keep everything."""
    return frozenset(uuids) if uuids else None


def one_and_many(one: UUID | None, many: Sequence[UUID] | None) -> frozenset[UUID] | None:
    """Both filters hold where both are given."""
    wanted = among(many)
    if one is None:
        return wanted
    return frozenset({one}) if wanted is None else frozenset({one}) & wanted


def members(given: Iterable[E] | None, kind: type[E]) -> frozenset[E] | None:
    """Null and every member keep everything; an empty list keeps nothing."""
    if given is None:
        return None
    wanted = frozenset(given)
    return None if len(wanted) == len(kind) else wanted


def ordered(
    given: frozenset[str], *keys: tuple[str, OrderKey, Direction | None]
) -> tuple[Order, ...]:
    """Orders from ``(field, key, direction)`` in the contract's sequence; those that the caller
    wrote lead, and one that is null is dropped."""
    orders = [
        (field not in given, Order(key, direction is Direction.DESCENDING))
        for field, key, direction in keys
        if direction is not None
    ]
    return tuple(order for _, order in sorted(orders, key=lambda pair: pair[0]))

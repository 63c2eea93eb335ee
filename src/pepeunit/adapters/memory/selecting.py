"""Search, order and slice over rows in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pepeunit.codecs.text import search_words
from pepeunit.ports.paging import Order, OrderKey, Page, Slice


class Row(Protocol):
    @property
    def uuid(self) -> UUID: ...


R = TypeVar("R", bound=Row)
T = TypeVar("T")
Keys = Mapping[OrderKey, Callable[[R], datetime | str]]


def searcher(search: str | None) -> Callable[..., bool]:
    """Whether every word of ``search`` occurs in at least one of the columns, ignoring case."""
    words = [word.lower() for word in search_words(search)]

    def matches(*columns: str | None) -> bool:
        texts = [column.lower() for column in columns if column is not None]
        return all(any(word in text for text in texts) for word in words)

    return matches


def wanted(value: Any, allowed: Any) -> bool:
    """Whether a filter that is a set, a value or None lets the value pass."""
    if allowed is None:
        return True
    return value in allowed if isinstance(allowed, frozenset) else value == allowed


def cut(rows: Sequence[T], slice_: Slice) -> Page[T]:
    """The slice of rows that are in order."""
    start = slice_.offset or 0
    end = start + slice_.limit if slice_.limit else None
    return Page(len(rows), tuple(rows[start:end]))


def page(rows: Iterable[R], orders: tuple[Order, ...], slice_: Slice, keys: Keys[R]) -> Page[R]:
    """The slice of the rows in the asked order, ties by uuid."""
    found = sorted(rows, key=lambda row: row.uuid)
    for order in reversed(orders):
        # A stable sort with ``reverse`` keeps equal rows in the order of their uuids.
        found.sort(key=keys[order.key], reverse=order.descending)
    return cut(found, slice_)

"""Pages and orders of list queries (spec rest.md 3)."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


class OrderKey(enum.Enum):
    CREATE_DATETIME = "create_datetime"
    LAST_UPDATE_DATETIME = "last_update_datetime"
    NAME = "name"


@frozen
class Order:
    key: OrderKey
    descending: bool


@frozen
class Slice:
    """``limit`` None or 0 means every row."""

    offset: int | None = None
    limit: int | None = None


WHOLE: Final = Slice()


@frozen
class Page(Generic[T]):
    """``count`` rows match in all; ``items`` are those of the slice, in the asked order.

    Ties are broken by uuid, so that pages never overlap.
    """

    count: int
    items: Sequence[T]

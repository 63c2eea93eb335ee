"""Reads every row of a reference installation at one moment, while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from attrs import define, field

from pepeunit.adapters.reference.rows import (
    to_edge,
    to_node,
    to_permission,
    to_registry,
    to_repo,
    to_unit,
    to_user,
)
from pepeunit.domain.errors import Unavailable
from pepeunit.ports.reference import ReferenceRows, Skipped

DEPENDENCY: Final = "reference database"
CONNECT_SECONDS: Final = 10.0
READ_SECONDS_MAX: Final = 600.0
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("users",),
    "registry": ("repository_registry",),
    "repo": ("repos",),
    "unit": ("units",),
    "node": ("units_nodes", "unit_nodes"),
    "edge": ("units_nodes_edges", "unit_nodes_edges", "unit_node_edges"),
    "permission": ("permissions", "permission"),
}
"""By kind, the first of these names that exists; the names not stated in any document vary."""

T = TypeVar("T")


@define
class ReferencePostgres:
    """Implements :class:`~pepeunit.ports.reference.ReferenceInstallation`; changes nothing."""

    url: str = field(repr=False)

    async def read(self) -> ReferenceRows:
        try:
            driver = await asyncpg.connect(_plain(self.url), timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError, asyncpg.PostgresError) as error:
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            raise Unavailable(DEPENDENCY, f"cannot connect ({reason})") from None
        try:
            async with driver.transaction(isolation="repeatable_read", readonly=True):
                found = {kind: await _rows(driver, kind) for kind in TABLES}
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            raise Unavailable(DEPENDENCY, f"cannot be read ({reason})") from None
        finally:
            await driver.close(timeout=CONNECT_SECONDS)
        unreadable: list[Skipped] = []

        def read(kind: str, convert: Callable[[Mapping[str, Any]], T]) -> list[T]:
            return _converted(kind, found[kind], convert, unreadable)

        return ReferenceRows(
            users=read("user", to_user),
            registries=read("registry", to_registry),
            repos=read("repo", to_repo),
            units=read("unit", to_unit),
            nodes=read("node", to_node),
            edges=read("edge", to_edge),
            permissions=read("permission", to_permission),
            unreadable=unreadable,
        )


async def _rows(driver: Any, kind: str) -> list[Mapping[str, Any]]:
    for name in TABLES[kind]:
        if await driver.fetchval("SELECT to_regclass($1)", name) is not None:
            rows = await driver.fetch(f"SELECT * FROM {name}", timeout=READ_SECONDS_MAX)  # noqa: S608
            return [dict(row) for row in rows]
    raise Unavailable(
        DEPENDENCY, f"there is no table {' or '.join(TABLES[kind])}: is this the right database?"
    )


def _converted(
    kind: str,
    rows: list[Mapping[str, Any]],
    convert: Callable[[Mapping[str, Any]], T],
    unreadable: list[Skipped],
) -> list[T]:
    """In the order of their making, where that is known; rows that make no sense are told."""
    values = []
    for row in sorted(rows, key=lambda row: str(row.get("create_datetime", row.get("uuid")))):
        try:
            values.append(convert(row))
        except KeyError as error:
            raise Unavailable(
                DEPENDENCY, f"table {TABLES[kind][0]} has no column {error.args[0]}"
            ) from None
        except (ValueError, TypeError, AttributeError) as error:
            name = str(row.get("name") or row.get("login") or row.get("uuid"))
            unreadable.append(Skipped(kind, name, f"cannot be read: {type(error).__name__}"))
    return values


def _plain(url: str) -> str:
    parts = urlsplit(url)
    # urlunsplit would drop the empty host of a socket URL
    tail = urlunsplit(("", "", parts.path, parts.query, ""))
    return f"postgresql://{parts.netloc}{tail}"

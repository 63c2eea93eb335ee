"""The border: what PostgreSQL and its driver raise becomes a refusal or ``Unavailable``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pepeunit.adapters.postgres import tables
from pepeunit.domain.errors import Conflict, Invalid, Topic, Unavailable

DEPENDENCY: Final = "PostgreSQL"

_TAKEN: Final = {
    tables.LOGIN_UNIQUE: ("the login is taken", Topic.USER),
    tables.REPOSITORY_URL_UNIQUE: ("the repository is already registered", Topic.REGISTRY),
    tables.REPO_NAME_UNIQUE: ("the name is taken by another repo", Topic.REPO),
    tables.UNIT_NAME_UNIQUE: ("the name is taken by another unit", Topic.UNIT),
    tables.NODE_NAME_UNIQUE: ("the unit already has such a node", Topic.NODE),
    tables.EDGE_UNIQUE: ("the two nodes are already linked", Topic.NODE),
    tables.PERMISSION_KEY: ("the agent has this permission already", Topic.PERMISSION),
    tables.EDGE_KEY: ("the two nodes are already linked", Topic.NODE),
}
_STILL_USED: Final = {
    tables.REPO_REGISTRY: "the registry still has repos",
    tables.UNIT_REPO: "the repo still has units",
    tables.REPO_CREATOR: "the user still has repos",
    tables.UNIT_CREATOR: "the user still has units",
    tables.NODE_CREATOR: "the user still has nodes",
}
_GONE: Final = {
    "registry": "the registry is gone",
    "creator": "the user is gone",
    "user": "the user is gone",
    "repo": "the repo is gone",
    "unit": "the unit is gone",
    "output": "the node is gone",
    "input": "the node is gone",
}
"""By the last word of a foreign key's name before ``_fkey``."""

UNIQUE_VIOLATION: Final = "23505"
FOREIGN_KEY_VIOLATION: Final = "23503"
UNAVAILABLE_CLASSES: Final = ("08", "25006", "3D", "40", "53", "55P03", "57")
"""Connection lost, standby, no such database, deadlock, resources, lock not
granted in time, shut-down."""
SIGN_IN_CLASS: Final = "28"
SIGN_IN_REFUSED: Final = (
    "it refuses our user or password: is keys.json, or PU_DATABASE_URL, this installation's own?"
)
UNFIT_CLASSES: Final = ("22", "54000")
"""A value out of the range of its column or of an index entry."""


def _conflict(sqlstate: str, constraint: str, *, deleting: bool) -> Conflict | None:
    if sqlstate == UNIQUE_VIOLATION and constraint in _TAKEN:
        return Conflict(*_TAKEN[constraint])
    if sqlstate != FOREIGN_KEY_VIOLATION:
        return None
    if deleting:
        message = _STILL_USED.get(constraint)
    else:
        message = _GONE.get(constraint.removesuffix("_fkey").rpartition("_")[2])
    return None if message is None else Conflict(message, Topic.ENTITY)


def _translated(error: DBAPIError, *, deleting: bool) -> Exception:
    driver_error = error.orig.__cause__ if error.orig is not None else None
    sqlstate = getattr(driver_error, "sqlstate", None) or ""
    constraint = getattr(driver_error, "constraint_name", None) or ""
    conflict = _conflict(sqlstate, constraint, deleting=deleting)
    if conflict is not None:
        return conflict
    if error.connection_invalidated:
        return Unavailable(DEPENDENCY, "the statement could not be finished")
    return _of_driver(driver_error, isinstance(error, InterfaceError)) or error


def _of_driver(error: BaseException | None, is_of_interface: bool) -> Exception | None:
    sqlstate = getattr(error, "sqlstate", None) or ""
    if sqlstate.startswith(SIGN_IN_CLASS):
        return Unavailable(DEPENDENCY, SIGN_IN_REFUSED)
    if sqlstate.startswith(UNAVAILABLE_CLASSES):
        return Unavailable(DEPENDENCY, "the statement could not be finished")
    if sqlstate.startswith(UNFIT_CLASSES) or isinstance(error, asyncpg.DataError):
        return Invalid("a value does not fit its column")
    if is_of_interface and not sqlstate:
        return Unavailable(DEPENDENCY, "the connection is lost")
    return None


@contextmanager
def border(*, deleting: bool = False) -> Iterator[None]:
    """Translate what the store raises inside; anything unknown escapes as the bug it is."""
    try:
        yield
    except DBAPIError as error:
        translated = _translated(error, deleting=deleting)
        if translated is error:
            raise
        raise translated from error
    except PoolTimeoutError as error:
        raise Unavailable(DEPENDENCY, "every connection is in use") from error
    except TimeoutError as error:
        raise Unavailable(DEPENDENCY, "no answer in time") from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Unavailable(DEPENDENCY, SIGN_IN_REFUSED) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(DEPENDENCY, "cannot connect") from error


@contextmanager
def driver_border() -> Iterator[None]:
    """:func:`border` for a statement that the driver runs without SQLAlchemy."""
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(DEPENDENCY, "no answer in time") from error
    except (OSError, asyncpg.InternalClientError) as error:
        # the latter when the server hangs up while a statement is on its way
        raise Unavailable(DEPENDENCY, "the connection is lost") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        translated = _of_driver(error, isinstance(error, asyncpg.InterfaceError))
        if translated is None:
            raise
        raise translated from error

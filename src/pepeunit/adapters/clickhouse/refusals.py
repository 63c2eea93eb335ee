"""What ClickHouse refuses, in our own words: texts of the library stay in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DatabaseError,
    DataError,
    OperationalError,
    ProgrammingError,
)

from pepeunit.domain.errors import Invalid, Topic, Unavailable

log = logging.getLogger(__name__)

DEPENDENCY: Final = "ClickHouse"
VALUE_CODES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        376,  # CANNOT_PARSE_UUID
        469,  # VIOLATED_CONSTRAINT
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)
"""The engine's error codes that say of a value that it will never be taken."""


@contextmanager
def border() -> Iterator[None]:
    """Turn what the library raises into ``Invalid`` (a value the store never takes) and
    ``Unavailable`` (everything else: the store is down, full, too old or too busy)."""
    try:
        yield
    except DataError as error:
        raise _invalid() from error
    except UnicodeEncodeError as error:
        raise _invalid() from error
    except DatabaseError as error:
        if error.code in VALUE_CODES:
            raise _invalid() from error
        log.debug("ClickHouse refused", exc_info=True)
        raise Unavailable(DEPENDENCY, _reason(error)) from error
    except ClickHouseError as error:
        raise Unavailable(DEPENDENCY, "cannot be used") from error
    except OSError as error:
        raise Unavailable(DEPENDENCY, "does not answer") from error


def _invalid() -> Invalid:
    return Invalid("the store cannot hold a value", Topic.PIPE)


def _reason(error: DatabaseError) -> str:
    if error.code is not None:
        return f"refused with code {error.code}"
    if isinstance(error, OperationalError):
        return "does not answer"
    if isinstance(error, ProgrammingError):
        return "cannot be opened: another process may use it"
    return "refused"

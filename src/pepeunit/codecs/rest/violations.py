"""What is wrong with a request, in the list form of the contract (spec rest.md 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)

Location = tuple[str | int, ...]


@frozen
class Violation:
    """One broken rule. ``input`` is the offending value, None where it must not be repeated."""

    type: str
    loc: Location
    msg: str
    input: Any = None


class RequestInvalid(Exception):
    """The request does not have the declared form; ``violations`` lists everything found."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(f"{len(violations)} violations")
        self.violations = violations


class PageOutOfRange(Exception):
    """``offset`` or ``limit`` of a list is out of range; ``text`` is the whole answer."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Unfit(ValueError):
    """A value that does not fit its declared type, before its place is known."""

    def __init__(self, kind: str, message: str, given: Any = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.given = given


def _step(error: BaseException) -> Location:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return (note.name,)
        if isinstance(note, IterableValidationNote):
            return (note.index,)
    return ()


def locate(error: BaseException, at: Location) -> Iterator[Violation]:
    """The violations inside an error of cattrs, each with the path to its value."""
    match error:
        case ClassValidationError() | IterableValidationError():
            for child in error.exceptions:
                yield from locate(child, at + _step(child))
        case Unfit():
            yield Violation(error.kind, at, error.message, error.given)
        case KeyError():
            yield Violation("missing", at, "Field required")
        case _:
            raise error

"""Text as every store holds it and as list queries search it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pepeunit.domain.errors import Invalid


def is_storable(text: str) -> bool:
    """Whether every store can hold the text: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_storable(values: Iterable[tuple[str, object]]) -> None:
    """Raise ``Invalid`` that lists every named value whose text no store can hold."""
    violations = [
        (name, "holds a character that cannot be stored")
        for name, value in values
        if isinstance(value, str) and not is_storable(value)
    ]
    if violations:
        raise Invalid(violations)


def search_words(text: str | None) -> tuple[str, ...]:
    """The words that must each occur, split at blanks (spec rest.md 3).

    Raises ``Invalid`` for characters that no stored text can hold.
    """
    if text is None:
        return ()
    require_storable([("search_string", text)])
    return tuple(text.split())


def json_text(name: str, value: object) -> str:
    """Compact JSON in ASCII. Raises ``Invalid`` for NaN and infinities, which JSON lacks."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise Invalid([(name, "holds a number that JSON cannot express")]) from None

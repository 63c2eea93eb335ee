"""``.pepeignore``: git's ignore rules, matched in linear time (spec devices.md 10).

A user's patterns run inside the platform, so a pattern must not be able to stall it: every
wildcard takes the shortest text that lets the rest go on and never gives it back, which
finds a match whenever there is one and never tries the same text twice.

Two places follow git's documentation where git itself does not: ``b**`` is ``b*`` whatever
stands before it, and a slash parts a path inside brackets too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from pepeunit.domain.errors import OverLimit, Topic

IGNORE_FILE: Final = ".pepeignore"
PATTERNS_MAX: Final = 500
PATTERN_CHARS_MAX: Final = 1000

_ANY_DEPTH: Final = None
_CLASSES: Final = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t-\\r",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}

Segments = tuple[re.Pattern[str] | None, ...]
"""One entry per part of a path; None stands for any number of parts."""


@frozen
class Pattern:
    """One line: whether it takes away or brings back, and what it matches."""

    segments: Segments
    removes: bool
    directories_only: bool


@frozen
class Ignore:
    """The rules of one commit. The last line that matches decides; no line, no removal."""

    patterns: Sequence[Pattern] = ()
    _directories: dict[str, bool] = field(factory=dict, init=False, eq=False, repr=False)

    def removes(self, path: str) -> bool:
        """Whether the file is left out: itself, or any directory above it.

        A file brought back inside a removed directory is still lost, as in git.
        """
        return self._removes(_octets(path), directory=False)

    def removes_directory(self, path: str) -> bool:
        """The same for a directory."""
        return self._removes(_octets(path), directory=True)

    def _removes(self, path: str, directory: bool) -> bool:
        """Directories are remembered, because their files all ask."""
        if directory and path in self._directories:
            return self._directories[path]
        above, slash, _ = path.rpartition("/")
        removed = bool(slash and self._removes(above, True)) or self._decides(path, directory)
        if directory:
            self._directories[path] = removed
        return removed

    def _decides(self, path: str, directory: bool) -> bool:
        parts = path.split("/")
        for pattern in reversed(self.patterns):
            if (directory or not pattern.directories_only) and _match(pattern.segments, parts):
                return pattern.removes
        return False


def read_ignore(text: bytes) -> Ignore:
    """Read the file; a line git cannot use is skipped, as git does.

    Raises ``OverLimit`` (topic git) above PATTERNS_MAX patterns.
    """
    lines = text.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    patterns = [pattern for line in lines if (pattern := _read_line(line)) is not None]
    if len(patterns) > PATTERNS_MAX:
        raise OverLimit(
            f"{IGNORE_FILE} has more than {PATTERNS_MAX} patterns",
            Topic.GIT,
            limit=PATTERNS_MAX,
            actual=len(patterns),
        )
    return Ignore(tuple(patterns))


def _octets(path: str) -> str:
    """One character per byte, since git's ``?`` and ``[...]`` stand for one byte."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def _read_line(line: str) -> Pattern | None:
    text = line.removesuffix("\r")
    while text.endswith(" ") and not _is_escaped(text, len(text) - 1):
        text = text[:-1]
    if not text or text.startswith("#") or len(text) > PATTERN_CHARS_MAX:
        return None
    removes = not text.startswith("!")
    text = text if removes else text[1:]
    directories_only = text.endswith("/")
    text = text.removesuffix("/")
    anchored = "/" in text
    parts = text.removeprefix("/").split("/") if anchored else [text]
    if not text or "" in parts:
        return None
    segments: list[re.Pattern[str] | None] = [] if anchored else [_ANY_DEPTH]
    for part in parts:
        if anchored and len(part) > 1 and not part.strip("*"):
            if not (segments and segments[-1] is _ANY_DEPTH):
                segments.append(_ANY_DEPTH)
        elif (compiled := _compile(part)) is not None:
            segments.append(compiled)
        else:
            return None
    if segments[-1] is _ANY_DEPTH:
        segments.append(re.compile(r"[^/]+", re.DOTALL))
    return Pattern(tuple(segments), removes, directories_only)


def _is_escaped(text: str, at: int) -> bool:
    slashes = 0
    while at - slashes > 0 and text[at - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1


def _match(segments: Segments, parts: Sequence[str]) -> bool:
    """Greedy with one way back, to the last ``**``: no part is tried without bound."""
    at = taken = 0
    retry: tuple[int, int] | None = None
    while taken < len(parts):
        if at < len(segments):
            wanted = segments[at]
            if wanted is None:
                retry = (at, taken)
                at += 1
                continue
            if wanted.fullmatch(parts[taken]):
                at, taken = at + 1, taken + 1
                continue
        if retry is None:
            return False
        retry = (retry[0], retry[1] + 1)
        at, taken = retry[0] + 1, retry[1]
    return at == len(segments)


def _compile(part: str) -> re.Pattern[str] | None:
    """A glob of one path part; None where git would never match it."""
    pieces: list[str] = [""]
    at = 0
    while at < len(part):
        char = part[at]
        if char == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
            at += 1
        elif char == "?":
            pieces[-1] += "."
            at += 1
        elif char == "[":
            bracket, at = _bracket(part, at + 1)
            if bracket is None:
                return None
            pieces[-1] += bracket
        else:
            at += char == "\\"
            if at == len(part):
                return None
            pieces[-1] += re.escape(part[at])
            at += 1
    first, *rest = pieces
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)


def _bracket(part: str, at: int) -> tuple[str | None, int]:
    """A bracket expression from behind its ``[``: what it matches and where it ends."""
    negated = part[at : at + 1] in ("!", "^")
    at += negated
    inside = ""
    first = True
    while at < len(part) and (part[at] != "]" or first):
        first = False
        if part.startswith("[:", at):
            end = part.find(":]", at + 2)
            name = part[at + 2 : end] if end >= 0 else ""
            if end >= 0 and name not in _CLASSES:
                return None, at
            if end >= 0:
                inside += _CLASSES[name]
                at = end + 2
                continue
        low, at = _character(part, at)
        if low is None:
            return None, at
        if part[at : at + 1] == "-" and part[at + 1 : at + 2] not in ("", "]"):
            high, at = _character(part, at + 1)
            if high is None:
                return None, at
            inside += f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)
        else:
            inside += re.escape(low)
    if at >= len(part):
        return None, at
    if not inside:
        return ("." if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _character(part: str, at: int) -> tuple[str | None, int]:
    at += part[at] == "\\"
    return (part[at], at + 1) if at < len(part) else (None, at)

"""How the log is written: text or JSON lines, and no secret in either (spec access.md W16)."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Final, TextIO

from attrs import frozen

MASK: Final = "***"
SECRET_CHARS_MIN: Final = 8
"""Shorter texts would mask half of the log."""
WORDS: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "encrypt_key",
    "credentials",
    "authorization",
    "static_salt",
    "cookie",
)
"""What stands behind a name with one of these in it is masked."""
PATTERNS: Final = (
    # hints in lower case of which one must be there, the pattern, the mask
    # first JSON web tokens, then those of the platforms that git remotes live on
    (("eyj",), re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), MASK),
    (
        ("glpat-", "gh", "github_pat_"),
        re.compile(r"\b(?:glpat-|gh[opsur]_|github_pat_)[\w-]{8,}"),
        MASK,
    ),
    (("://",), re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]+(?=@)"), MASK),
    (
        ("basic", "bearer"),
        re.compile(r"(?i)\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{8,}"),
        rf"\1 {MASK}",
    ),
    (
        WORDS,
        re.compile(
            r"(?i)([\w-]*(?:" + "|".join(WORDS) + r")[\w-]*[\"']?\s*[:=]\s*)"
            r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&}\])]+)"
        ),
        rf"\1{MASK}",
    ),
)
HINTS: Final = tuple(hint for hints, _, _ in PATTERNS for hint in hints)
QUIET_LOGGERS: Final = ("alembic",)


@frozen
class Redaction:
    """Masks the given secrets wherever they stand, and whatever looks like one."""

    secrets: tuple[str, ...]

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redaction:
        return cls(tuple(sorted((s for s in secrets if len(s) >= SECRET_CHARS_MIN), key=len)[::-1]))

    def __call__(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        small = text.lower()
        for hint in HINTS:
            if hint in small:
                break
        else:
            return text
        for hints, pattern, mask in PATTERNS:
            if any(hint in small for hint in hints):
                text = pattern.sub(mask, text)
        return text


class TextLines(logging.Formatter):
    """``time LEVEL logger message``, a traceback on the lines after it."""

    def __init__(self, redact: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redact
        self._second = 0, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        second, written = self._second
        if int(record.created) != second:
            second = int(record.created)
            written = time.strftime(self.default_time_format, time.localtime(second))
            self._second = second, written
        return f"{written},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info or record.stack_info:
            return self._redact(super().format(record))
        head = f"{self.formatTime(record)} {record.levelname} {record.name} "
        return self._redact(head + record.getMessage())


class JsonLines(logging.Formatter):
    """One object a line: ``time``, ``level``, ``logger``, ``message`` and, after a fault,
    ``traceback``."""

    def __init__(self, redact: Redaction) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class LinesOfATurn(logging.StreamHandler[TextIO]):
    """Lines that one turn of the event loop tells are written together at its end: a write for
    each costs more than the rest of its way. Outside a loop, and for whatever is worse than INFO,
    they are written at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where the end of the turn is waited for."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
            if record.levelno > logging.INFO:
                self.flush()
            elif len(self._lines) == 1 or self._loop is None or self._loop.is_closed():
                self._flush_soon()
        except Exception:
            self.handleError(record)

    def _flush_soon(self) -> None:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        with suppress(OSError):  # a log that cannot be written stops nothing else
            self.flush()

    def flush(self) -> None:
        with self.lock or nullcontext():
            if self._lines:
                lines, self._lines = self._lines, []
                self.stream.write("\n".join([*lines, ""]))
            super().flush()


def write_log(
    log_format: str, level: str, secrets: Iterable[str], stream: TextIO | None = None
) -> None:
    """Send every logger to ``stream`` (stderr) in ``text`` or ``json`` lines."""
    _tell_no_more_than_is_written()
    redact = Redaction.of(secrets)
    lines = JsonLines(redact) if log_format == "json" else TextLines(redact)
    output = LinesOfATurn(stream or sys.stderr)
    output.setFormatter(lines)
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _tell_no_more_than_is_written() -> None:
    """No line names its thread, process, task or place in the source: finding them out for each
    costs more than writing it (the optimisations of the logging HOWTO)."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None

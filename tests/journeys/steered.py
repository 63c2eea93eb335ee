"""``pepeunit`` whose clock stands where the file ``STEERED_CLOCK`` says, in ms since 1970."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pepeunit.entrypoints import main, parts

FILE = Path(os.environ["STEERED_CLOCK"])
START = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    return START + timedelta(milliseconds=int(FILE.read_text()))


parts.now = now
main.main()

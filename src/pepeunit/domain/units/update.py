"""The update status machine (spec devices.md 11, O30-O32, rulings 21 and 23).

::

    any          Update published                          -> RequestSent
    any          publish failed                            -> Error
    RequestSent  state reports the built commit            -> Success
    RequestSent  other commit, older than 2 x interval     -> Error
    RequestSent  silence, older than 2 x interval (sweep)  -> Error
    any          the version cannot be built               -> Error, with the reason
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

BACKOFF_FIRST_SECONDS: Final = 3600.0
BACKOFF_MAX_SECONDS: Final = 24 * 3600.0
BACKOFF_DOUBLINGS_MAX: Final = 16


class UpdateStatus(enum.Enum):
    REQUEST_SENT = "RequestSent"
    ERROR = "Error"
    SUCCESS = "Success"


@frozen
class UpdateProgress:
    """``sent_datetime`` is what the API calls ``last_firmware_update_datetime``.

    ``failures`` counts failed attempts in a row; ``retry_datetime`` is the earliest moment the
    hourly net tries again.
    """

    status: UpdateStatus | None = None
    error: str | None = None
    sent_datetime: datetime | None = None
    failures: int = 0
    retry_datetime: datetime | None = None

    def sent(self, now: datetime) -> UpdateProgress:
        return evolve(self, status=UpdateStatus.REQUEST_SENT, error=None, sent_datetime=now)

    def failed(self, reason: str, now: datetime) -> UpdateProgress:
        doublings = min(self.failures, BACKOFF_DOUBLINGS_MAX)
        wait = min(BACKOFF_FIRST_SECONDS * 2**doublings, BACKOFF_MAX_SECONDS)
        return UpdateProgress(
            status=UpdateStatus.ERROR,
            error=reason,
            failures=self.failures + 1,
            retry_datetime=now + timedelta(seconds=wait),
        )

    def is_overdue(self, now: datetime, send_interval_seconds: float) -> bool:
        """Whether an answer is missing for more than twice the state interval."""
        return (
            self.status is UpdateStatus.REQUEST_SENT
            and self.sent_datetime is not None
            and now - self.sent_datetime > timedelta(seconds=2 * send_interval_seconds)
        )

    def timed_out(self, now: datetime, send_interval_seconds: float) -> UpdateProgress:
        return self.failed(
            f"the unit did not report the new version within {2 * send_interval_seconds:g} s", now
        )

    def reported(
        self, version: str | None, built: str | None, now: datetime, send_interval_seconds: float
    ) -> UpdateProgress:
        """What a state message that names ``version`` (None: none named) changes."""
        if self.status is not UpdateStatus.REQUEST_SENT:
            if version is not None and version == built and self.failures:
                return evolve(self, failures=0, retry_datetime=None)
            return self
        if version is not None and version == built:
            return UpdateProgress(status=UpdateStatus.SUCCESS)
        if self.is_overdue(now, send_interval_seconds):
            return self.timed_out(now, send_interval_seconds)
        return self

    def may_retry(self, now: datetime) -> bool:
        """Whether the hourly net may send again now; an explicit command always may."""
        if self.status is UpdateStatus.REQUEST_SENT:
            return False
        return self.retry_datetime is None or now >= self.retry_datetime

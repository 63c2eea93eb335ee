"""The update status machine (devices.md 11, O30-O32, rulings 21 and 23)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.units.update import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MAX_SECONDS,
    UpdateProgress,
    UpdateStatus,
)
from tests.domain.making import NOW

INTERVAL = 60.0
FRESH = UpdateProgress()
SENT = FRESH.sent(NOW)
FAILED = FRESH.failed("broken", NOW)
DONE = UpdateProgress(UpdateStatus.SUCCESS)

START = [FRESH, SENT, FAILED, DONE]


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize("before", START)
def test_a_published_update_is_requested_from_any_status(before: UpdateProgress) -> None:
    after = before.sent(NOW)
    assert (after.status, after.error, after.sent_datetime) == (
        UpdateStatus.REQUEST_SENT,
        None,
        NOW,
    )


@pytest.mark.parametrize("before", START)
def test_a_failure_is_an_error_with_its_reason_from_any_status(before: UpdateProgress) -> None:
    after = before.failed("no tag", NOW)
    assert (after.status, after.error, after.sent_datetime) == (UpdateStatus.ERROR, "no tag", None)
    assert after.failures == before.failures + 1


@pytest.mark.parametrize(
    ("version", "passed", "status"),
    [
        ("built", 1, UpdateStatus.SUCCESS),
        ("built", 1000, UpdateStatus.SUCCESS),
        ("other", 1, UpdateStatus.REQUEST_SENT),
        ("other", 120, UpdateStatus.REQUEST_SENT),
        ("other", 120.1, UpdateStatus.ERROR),
        (None, 1, UpdateStatus.REQUEST_SENT),
        (None, 120.1, UpdateStatus.ERROR),
    ],
)
def test_what_a_state_message_does_to_a_requested_update(
    version: str | None, passed: float, status: UpdateStatus
) -> None:
    after = SENT.reported(version, "built", NOW + at(passed), INTERVAL)
    assert after.status is status
    if status is UpdateStatus.SUCCESS:
        assert after == UpdateProgress(UpdateStatus.SUCCESS)
    if status is UpdateStatus.ERROR:
        assert after.error is not None and "120 s" in after.error
        assert after.sent_datetime is None


def test_a_report_never_succeeds_for_a_unit_that_was_not_built() -> None:
    assert SENT.reported(None, None, NOW, INTERVAL) == SENT


@pytest.mark.parametrize("before", [FRESH, FAILED, DONE])
@pytest.mark.parametrize("version", ["built", "other", None])
def test_without_a_request_a_state_message_leaves_the_status(
    before: UpdateProgress, version: str | None
) -> None:
    after = before.reported(version, "built", NOW + at(1000), INTERVAL)
    assert (after.status, after.error) == (before.status, before.error)


def test_a_unit_that_runs_the_built_version_again_has_no_backoff() -> None:
    assert FAILED.reported("built", "built", NOW, INTERVAL).may_retry(NOW)


@pytest.mark.parametrize(("passed", "overdue"), [(0, False), (120, False), (120.1, True)])
def test_o32_silence_is_overdue_after_twice_the_interval(passed: float, overdue: bool) -> None:
    assert SENT.is_overdue(NOW + at(passed), INTERVAL) is overdue


@pytest.mark.parametrize("before", [FRESH, FAILED, DONE])
def test_only_a_request_can_be_overdue(before: UpdateProgress) -> None:
    assert not before.is_overdue(NOW + at(10**6), INTERVAL)


@given(st.integers(0, 5000))
def test_the_backoff_doubles_up_to_a_day_and_never_overflows(failures: int) -> None:
    after = UpdateProgress(failures=failures).failed("x", NOW)
    assert after.retry_datetime is not None
    wait = (after.retry_datetime - NOW).total_seconds()
    assert BACKOFF_FIRST_SECONDS <= wait <= BACKOFF_MAX_SECONDS
    if failures < 4:
        assert wait == BACKOFF_FIRST_SECONDS * 2**failures
    assert not after.may_retry(NOW)
    assert after.may_retry(after.retry_datetime)


def test_an_unanswered_request_is_not_sent_again_by_the_net() -> None:
    assert not SENT.may_retry(NOW + at(10**9))


events = st.lists(st.sampled_from(["sent", "failed", "built", "other", "silent"]), max_size=12)


@given(events)
def test_every_history_keeps_the_shape_of_its_status(names: list[str]) -> None:
    progress, now = FRESH, NOW
    for name in names:
        now += at(50)
        match name:
            case "sent":
                progress = progress.sent(now)
            case "failed":
                progress = progress.failed("reason", now)
            case _:
                version = None if name == "silent" else name
                progress = progress.reported(version, "built", now, INTERVAL)
        assert (progress.sent_datetime is not None) == (
            progress.status is UpdateStatus.REQUEST_SENT
        )
        if progress.status is not UpdateStatus.ERROR:
            assert progress.error is None
        if progress.status is UpdateStatus.SUCCESS:
            assert progress.failures == 0 and progress.retry_datetime is None

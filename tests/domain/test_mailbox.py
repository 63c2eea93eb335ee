"""What waits for a slow reader: bounded, the newest, and every loss counted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.live.event import Event, EventKind
from pepeunit.domain.live.mailbox import Mailbox, MailboxLimits

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KINDS = (EventKind.NODE_VALUE, EventKind.UNIT_PRESENCE, EventKind.UNIT_LOG)
ROOMY = MailboxLimits(entries_max=4, bytes_max=10_000)


def event(kind: EventKind, number: int, text: str, size: int = 10, passed_over: int = 0) -> Event:
    return Event(kind, UUID(int=number), NOW, text, size, passed_over)


puts = st.lists(
    st.one_of(
        st.none(),
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(KINDS),
            st.integers(0, 3),
            st.integers(0, 2),
        ),
    ),
    max_size=120,
)


@given(puts)
def test_every_event_is_taken_or_counted_and_the_newest_is_always_taken(
    done: list[tuple[str, EventKind, int, int] | None],
) -> None:
    box: Mailbox[str] = Mailbox(ROOMY, lambda: None)
    told, heard = Counter[object](), Counter[object]()
    newest: dict[object, object] = {}
    for at, one in enumerate([*done, None]):
        if one is not None:
            watch, kind, number, passed_over = one
            slot = (watch, kind, UUID(int=number))
            told[slot] += 1 + passed_over
            newest[slot] = str(at)
            box.put(watch, event(kind, number, str(at), passed_over=passed_over))
            continue
        last: dict[object, object] = {}
        for watch, found in box.take():
            slot = (watch, *found.key)
            heard[slot] += 1 + found.passed_over
            last[slot] = found.told
        assert last == newest
        newest = {}
        assert heard == told
        assert (len(box), box.size_bytes) == (0, 0)


@given(puts, st.integers(50, 400))
def test_what_waits_never_outgrows_its_bounds(
    done: list[tuple[str, EventKind, int, int] | None], bytes_max: int
) -> None:
    box: Mailbox[str] = Mailbox(MailboxLimits(entries_max=4, bytes_max=bytes_max), lambda: None)
    for one in done:
        if one is None:
            box.take()
            continue
        watch, kind, number, _ = one
        box.put(watch, event(kind, number, "x", size=20))
        assert box.size_bytes <= bytes_max
        assert len(box) <= 2 * 4 * (2 + 4)
        if box.is_overflown:
            assert len(box) == 0
            return


def test_values_wait_where_their_first_one_came() -> None:
    box: Mailbox[str] = Mailbox(ROOMY, lambda: None)
    for number, text in ((1, "old"), (2, "x"), (1, "new")):
        box.put("a", event(EventKind.NODE_VALUE, number, text))
    assert [(one.told, one.passed_over) for _, one in box.take()] == [("new", 1), ("x", 0)]


def test_the_oldest_log_entries_give_way_and_are_counted() -> None:
    box: Mailbox[str] = Mailbox(ROOMY, lambda: None)
    for number in range(7):
        box.put("a", event(EventKind.UNIT_LOG, 1, str(number)))
    taken = [(one.told, one.passed_over) for _, one in box.take()]
    assert taken == [("3", 3), ("4", 0), ("5", 0), ("6", 0)]


def test_a_watch_that_ends_leaves_nothing_behind() -> None:
    box: Mailbox[str] = Mailbox(ROOMY, lambda: None)
    box.put("a", event(EventKind.NODE_VALUE, 1, "x"))
    box.put("b", event(EventKind.NODE_VALUE, 1, "y"))
    box.forget("a")
    assert [(watch, one.told) for watch, one in box.take()] == [("b", "y")]
    assert box.size_bytes == 0

"""Events as processes tell each other: short texts, many events in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from attrs import evolve, frozen

from pepeunit.domain.ids import UnitId
from pepeunit.domain.live.event import Event, EventKind, Key, log_event
from pepeunit.domain.units.log import LogLevel, UnitLog

NOTICE_BYTES: Final = 7_900
ENVELOPE_BYTES: Final = 64
MILLISECOND: Final = timedelta(milliseconds=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _time(ms: int) -> datetime:
    return EPOCH + ms * MILLISECOND


@frozen
class NoticeJson:
    """Implements :class:`~pepeunit.ports.notices.NoticeForm`."""

    notice_bytes_max: int = NOTICE_BYTES

    def carried(self, event: Event) -> Any | None:
        if event.kind is EventKind.NODE_VALUE:
            value = [event.told, _ms(event.moment), event.size_bytes]
        elif isinstance(event.told, UnitLog):
            entry = event.told
            value = [
                entry.level.value,
                entry.text,
                _ms(entry.create_datetime),
                _ms(entry.expiration_datetime),
            ]
        else:
            return None
        item = [event.kind.value, event.uuid.hex, event.passed_over, *value]
        fits = len(orjson.dumps(item)) <= self.notice_bytes_max - ENVELOPE_BYTES
        return item if fits else None

    def event_of(self, item: Any) -> Event:
        kind, uuid, passed_over = EventKind(item[0]), UUID(item[1]), int(item[2])
        if kind is EventKind.NODE_VALUE:
            text, ms, size = item[3:]
            return Event(kind, uuid, _time(ms), text, size, passed_over, is_repeated=True)
        level, text, created, expires = item[3:]
        entry = UnitLog(UnitId(uuid), LogLevel(level), text, _time(created), _time(expires))
        return evolve(log_event(entry), passed_over=passed_over, is_repeated=True)

    def key(self, key: Key) -> Any:
        return [key[0].value, key[1].hex]

    def key_of(self, item: Any) -> Key:
        kind, uuid = item
        return EventKind(kind), UUID(uuid)

    def write(self, teller: str, part: str, items: Iterable[Any]) -> Iterator[str]:
        gathered: list[Any] = []
        used = ENVELOPE_BYTES
        for item in items:
            size = len(orjson.dumps(item)) + 1
            if used + size > self.notice_bytes_max and gathered:
                yield orjson.dumps([teller, part, gathered]).decode()
                gathered, used = [], ENVELOPE_BYTES
            gathered.append(item)
            used += size
        if gathered:
            yield orjson.dumps([teller, part, gathered]).decode()

    def read(self, notice: str) -> tuple[str, str, Sequence[Any]]:
        teller, part, items = orjson.loads(notice)
        return str(teller), str(part), list(items)

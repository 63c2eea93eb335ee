"""Recorded streams as YAML, and what became of them as lines of JSON.

A file holds one entry, a list of entries, or a mapping with ``stream`` (a list of entries) and
perhaps ``epoch``, the instant that all ``t`` count from in seconds::

    id: anything
    config: {...}                 # or nodes: {name: config}, and node on each message
    messages:
    - {t: 0, payload: "21.5"}     # or payload_hex, or op with its config
    until: 130                    # when results are read; the last t unless given

Operations are ``set_config`` (with ``config``), ``activate``, ``deactivate``, ``delete_data`` and
``restart``. Other keys are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

import yaml
from attrs import frozen

from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.pipes.config import PAYLOAD_BYTES_MAX, PipeConfig
from pepeunit.domain.pipes.entries import AggregateEntry, StoredEntry, WindowEntry
from pepeunit.domain.pipes.fields import Malformed, moment
from pepeunit.domain.pipes.pipe import epoch_ms
from pepeunit.domain.pipes.replay import Change, Operation, Publication, Replayed, Stream
from pepeunit.domain.pipes.validation import read_config

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
EPOCH_DEFAULT: Final = "2025-03-01T00:00:00Z"
THE_NODE: Final = "node"
"""The name of the only node of an entry."""
SECONDS_MAX: Final = 10**10


@frozen
class StreamEntry:
    """``has_names`` where results are told by node."""

    id: str
    stream: Stream
    epoch_ms: int
    has_names: bool


def read_streams(content: bytes) -> list[StreamEntry]:
    """All entries of a file. Raises ``OverLimit`` or ``Invalid`` (topic pipe) with the paths of
    everything that is wrong."""
    if len(content) > FILE_BYTES_MAX:
        raise OverLimit(
            f"the file has {len(content)} bytes, at most {FILE_BYTES_MAX} are allowed",
            Topic.PIPE,
            limit=FILE_BYTES_MAX,
            actual=len(content),
        )
    root = _parsed(content)
    epoch: object = EPOCH_DEFAULT
    if isinstance(root, Mapping) and "stream" in root:
        epoch = root.get("epoch", epoch)
        root = root["stream"]
    entries = root if isinstance(root, list) else [root]
    reading = _Reading()
    read = [reading.entry(entry, index, epoch) for index, entry in enumerate(entries)]
    if reading.violations:
        raise Invalid(reading.violations, Topic.PIPE)
    return [entry for entry in read if entry is not None]


def dump_replayed(entry: StreamEntry, replayed: Replayed) -> str:
    """One line: ``id``, ``accepted``, ``dropped``, ``last_value``, ``rows``."""
    seconds = _Seconds(entry.epoch_ms)
    last_values = {
        name: None if last is None else {"state": last[0], "t": seconds.of(last[1])}
        for name, last in replayed.last_values.items()
    }
    rows = {name: [seconds.row(row) for row in found] for name, found in replayed.rows.items()}
    return json.dumps(
        {
            "id": entry.id,
            "accepted": list(replayed.accepted),
            "dropped": [{"index": at, "reason": drop.word} for at, drop in replayed.dropped],
            "last_value": last_values if entry.has_names else last_values[THE_NODE],
            "rows": rows if entry.has_names else rows[THE_NODE],
        },
        ensure_ascii=False,
    )


@frozen
class _Seconds:
    """Times as seconds after the epoch, whole ones without a point."""

    epoch_ms: int

    def of(self, time_ms: int) -> int | float:
        seconds, rest = divmod(time_ms - self.epoch_ms, 1000)
        return seconds if rest == 0 else (time_ms - self.epoch_ms) / 1000

    def row(self, row: StoredEntry) -> dict[str, Any]:
        if isinstance(row, AggregateEntry):
            bounds = {"start": self.of(row.start_ms), "end": self.of(row.end_ms)}
            return {
                "state": row.state,
                "fn": row.function,
                "window": row.window_seconds,
                **bounds,
            }
        kept = (
            {"expires": self.of(row.expires_ms)}
            if isinstance(row, WindowEntry)
            else {"max_count": row.max_count}
        )
        told = {"state": row.state, "state_type": row.state_type, "t": self.of(row.created_ms)}
        return {**told, **kept, "size": row.size}


def _parsed(content: bytes) -> object:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(content, Loader=loader)  # noqa: S506  both are safe loaders
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise Invalid(f"{where}{error.problem}", Topic.PIPE) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        raise Invalid("the file is not YAML in UTF-8", Topic.PIPE) from None


class _Reading:
    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def entry(self, entry: object, index: int, epoch: object) -> StreamEntry | None:
        place = f"[{index}]"
        if not isinstance(entry, Mapping):
            self._wrong(place, "must be a mapping")
            return None
        place = str(entry.get("id", place))
        known = len(self.violations)
        start = self._epoch(f"{place}.epoch", entry.get("epoch", epoch))
        nodes = entry.get("nodes")
        has_names = nodes is not None
        if not has_names:
            nodes = {THE_NODE: entry.get("config")}
        messages = entry.get("messages")
        if not isinstance(nodes, Mapping) or not nodes:
            self._wrong(f"{place}.nodes", "must be a mapping of configs")
            return None
        if not isinstance(messages, list):
            self._wrong(f"{place}.messages", "must be a list")
            return None
        path = f"{place}.nodes." if has_names else f"{place}.config"
        pipes = {
            str(name): self._config(path + str(name) if has_names else path, config)
            for name, config in nodes.items()
        }
        names = sorted(pipes) if has_names else [THE_NODE]
        events = [
            self._event(f"{place}.messages[{at}]", message, start, names)
            for at, message in enumerate(messages)
        ]
        until = entry.get("until")
        until_ms = max((event.time_ms for event in events if event is not None), default=start)
        if until is not None:
            until_ms = self._time(f"{place}.until", until, start)
        if len(self.violations) > known:
            return None
        valid = {name: config for name, config in pipes.items() if config is not None}
        happened = [event for event in events if event is not None]
        return StreamEntry(place, Stream(valid, happened, until_ms), start, has_names)

    def _wrong(self, path: str, message: str) -> None:
        self.violations.append((path, message))

    def _epoch(self, path: str, value: object) -> int:
        try:
            return epoch_ms(moment(value))
        except Malformed as wrong:
            self._wrong(path, wrong.faults[0][1])
            return 0

    def _config(self, path: str, document: object) -> PipeConfig | None:
        try:
            return read_config(document, PAYLOAD_BYTES_MAX)
        except Invalid as refusal:
            for inside, message in refusal.violations:
                self._wrong(f"{path}.{inside}" if inside else path, message)
            return None

    def _time(self, path: str, value: object, epoch: int) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not (-SECONDS_MAX <= value <= SECONDS_MAX)
        ):
            self._wrong(path, "must be a number of seconds")
            return epoch
        milliseconds = Decimal(repr(value)) * 1000
        return epoch + int(milliseconds.to_integral_value(ROUND_FLOOR))

    def _event(
        self, path: str, message: object, epoch: int, names: Sequence[str]
    ) -> Publication | Change | None:
        if not isinstance(message, Mapping):
            self._wrong(path, "must be a mapping")
            return None
        time_ms = self._time(f"{path}.t", message.get("t"), epoch)
        node = message.get("node", names[0] if len(names) == 1 else None)
        node = None if node is None else str(node)
        operation = message.get("op")
        if node not in names and not (node is None and operation == Operation.RESTART.value):
            self._wrong(f"{path}.node", f"must be one of {', '.join(names)}")
            return None
        if operation is None:
            payload = self._payload(path, message)
            return None if payload is None or node is None else Publication(time_ms, node, payload)
        if operation not in {known.value for known in Operation}:
            words = ", ".join(known.value for known in Operation)
            self._wrong(f"{path}.op", f"must be one of {words}")
            return None
        config = None
        if operation == Operation.SET_CONFIG.value:
            config = self._config(f"{path}.config", message.get("config"))
        return Change(time_ms, Operation(operation), node, config)

    def _payload(self, path: str, message: Mapping[Any, Any]) -> bytes | None:
        text, digits = message.get("payload"), message.get("payload_hex")
        if isinstance(text, str):
            try:
                return text.encode()
            except UnicodeEncodeError:
                self._wrong(f"{path}.payload", "must be Unicode: use payload_hex")
                return None
        if text is not None:
            self._wrong(f"{path}.payload", "must be a text: put it in quotes")
            return None
        if digits is not None and not isinstance(digits, str):
            self._wrong(f"{path}.payload_hex", "must be a text: put it in quotes")
            return None
        try:
            return bytes.fromhex(str(digits))
        except ValueError:
            self._wrong(path, "needs a payload, a payload_hex or an op")
            return None

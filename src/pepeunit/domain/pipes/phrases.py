"""The lines that the program of a config is put together from."""

from __future__ import annotations

from typing import Final

from pepeunit.domain.pipes.config import AggregationFunction, PolicyType

EXACT_DECODE_NUMBER: Final = """\
if payload.translate(None, ALPHABET):
    reason = unreadable(payload)
    drops[reason] += 1
    memory.drop(reason)
    continue
try:
    value = float(payload)
except ValueError:
    drops[TYPE] += 1
    memory.drop(TYPE)
    continue
if value - value != 0.0:
    drops[TYPE] += 1
    memory.drop(TYPE)
    continue
"""
EXACT_DECODE_TEXT: Final = """\
try:
    value = payload.decode()
except UnicodeDecodeError:
    drops[ENCODING] += 1
    memory.drop(ENCODING)
    continue
if "\\0" in value:
    drops[ENCODING] += 1
    memory.drop(ENCODING)
    continue
"""
SWIFT_DECODE_NUMBER: Final = """\
if b"".join(payloads).translate(None, ALPHABET):
    return exact(memories, times, payloads, out, drops)
try:
    values = list(map(float, payloads))
except ValueError:
    return exact(memories, times, payloads, out, drops)
total = sum(values)
if total - total != 0.0 and not all(map(isfinite, values)):
    return exact(memories, times, payloads, out, drops)
"""
SWIFT_DECODE_TEXT: Final = """\
try:
    values = b"\\0".join(payloads).decode().split("\\0")
except UnicodeDecodeError:
    return exact(memories, times, payloads, out, drops)
if len(values) != len(payloads):
    return exact(memories, times, payloads, out, drops)
"""
SWIFT_BOUNDS: Final = """\
if {condition}:
    return exact(memories, times, payloads, out, drops)
"""
DROP: Final = """\
if {condition}:
    drops[{reason}] += 1
    memory.drop({reason})
    continue
"""
SUM: Final = """\
total = memory.total
memory.total = added = total + number
back = added - total
memory.rest += (total - (added - back)) + (number - back)
memory.count += 1
"""
EXTREME: Final = """\
if number {sign} memory.total:
    memory.total = number
memory.count += 1
"""
WINDOW: Final = """\
if not memory.start_ms <= time < memory.end_ms or memory.rule is not {rule}:
    memory.turn_to(time, {rule})
"""
ADD: Final = {
    AggregationFunction.AVG: SUM,
    AggregationFunction.SUM: SUM,
    AggregationFunction.MIN: EXTREME.format(sign="<"),
    AggregationFunction.MAX: EXTREME.format(sign=">"),
}
NEWEST: Final = """\
known = newest.get(memory)
if known is None or known[1] <= time:
    newest[memory] = {source}, time
"""
NEWEST_IN_ORDER: Final = """\
newest[memory] = {source}, time
"""
BEFORE: Final = {
    PolicyType.LAST_VALUE: "newest = {}\n",
    PolicyType.N_RECORDS: "append = out.n_records.append\n",
    PolicyType.TIME_WINDOW: "append = out.time_windows.append\n",
    PolicyType.AGGREGATION: "",
}
PLAIN_TEXT: Final = ("value", "{}", "len(payload)")
LAST_VALUES: Final = """\
last = out.last_values
for memory, (source, time) in newest.items():
    known = last.get(memory.node)
    if known is None or known[1] <= time:
        last[memory.node] = {text}, time
"""
ROW: Final = """\
memory.{counter} = seq = memory.{counter} + 1
text = {text}
append((memory.node, memory.generation, seq, text, {kind!r}, time, {limit}, {size}))
"""

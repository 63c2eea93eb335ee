"""The lines that the program of a config is put together from."""

from __future__ import annotations

from typing import Final

from pepeunit.domain.pipes.config import AggregationFunction

EXACT_DECODE_NUMBER: Final = """\
if payload.translate(None, ALPHABET):
    reason = unreadable(payload)
    drops[reason] += 1
    seat.drop(reason)
    continue
try:
    value = float(payload)
except ValueError:
    drops[TYPE] += 1
    seat.drop(TYPE)
    continue
if value - value != 0.0:
    drops[TYPE] += 1
    seat.drop(TYPE)
    continue
"""
EXACT_DECODE_TEXT: Final = """\
try:
    value = payload.decode()
except UnicodeDecodeError:
    drops[ENCODING] += 1
    seat.drop(ENCODING)
    continue
if "\\0" in value:
    drops[ENCODING] += 1
    seat.drop(ENCODING)
    continue
"""
SWIFT_DECODE_NUMBER: Final = """\
if b"".join(payloads).translate(None, ALPHABET):
    return exact(seats, times, payloads, out, drops)
try:
    values = list(map(float, payloads))
except ValueError:
    return exact(seats, times, payloads, out, drops)
total = sum(values)
if total - total != 0.0 and not all(map(isfinite, values)):
    return exact(seats, times, payloads, out, drops)
"""
SWIFT_DECODE_TEXT: Final = """\
try:
    values = b"\\0".join(payloads).decode().split("\\0")
except UnicodeDecodeError:
    return exact(seats, times, payloads, out, drops)
if len(values) != len(payloads):
    return exact(seats, times, payloads, out, drops)
"""
SWIFT_BOUNDS: Final = """\
if {condition}:
    return exact(seats, times, payloads, out, drops)
"""
DROP: Final = """\
if {condition}:
    drops[{reason}] += 1
    seat.drop({reason})
    continue
"""
SUM: Final = """\
total = window.total
window.total = added = total + number
back = added - total
window.rest += (total - (added - back)) + (number - back)
window.count += 1
"""
EXTREME: Final = """\
if number {sign} window.total:
    window.total = number
window.count += 1
"""
WINDOW: Final = """\
window = memory.current
if not window.start_ms <= time < window.end_ms or window.rule is not RULE:
    window = memory.window_at(time, RULE)
"""
ADD: Final = {
    AggregationFunction.AVG: SUM,
    AggregationFunction.SUM: SUM,
    AggregationFunction.MIN: EXTREME.format(sign="<"),
    AggregationFunction.MAX: EXTREME.format(sign=">"),
}
NEWEST: Final = """\
known = newest.get(seat)
if known is None or known[1] <= time:
    newest[seat] = {source}, time
"""
LAST_VALUES: Final = """\
last = out.last_values
for seat, (source, time) in newest.items():
    known = last.get(seat.node)
    if known is None or known[1] <= time:
        last[seat.node] = {text}, time
"""
ROW: Final = """\
memory.seq = seq = memory.seq + 1
text = {text}
append((seat.node, seat.generation, seq, text, {kind!r}, time, {limit}, {size}))
"""

"""One client's socket: when it is read, what is written to it, how it ends."""

from __future__ import annotations

import asyncio
from typing import cast

from pepeunit.codecs.mqtt.encode import encode_disconnect
from pepeunit.codecs.mqtt.wire import VARINT_MAX, VERSION_5, Reason
from pepeunit.domain.access.agent import AgentKind
from pepeunit.entrypoints.devices.broker import Broker
from pepeunit.entrypoints.devices.rate import Bucket
from pepeunit.entrypoints.devices.session import Session

WAITS = 1
"""Reasons not to read: a packet waits for an answer of the platform,"""
PRESSURE = 2
"""too much waits for storage,"""
RATE = 4
"""the client is over its rate, or waits for its turn to connect,"""
UNREAD = 8
"""the client does not read what was sent to it,"""
CROWDED = 16
"""the buffer of all clients is half full: storage gets a turn first."""


class Channel(asyncio.Protocol):
    """Reads only what may be read: every reason to wait stops the socket, no buffer grows."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.limits = broker.limits
        self.session: Session | None = None
        self.version = 0
        self.packet_bytes_max = VARINT_MAX
        self.inflight_max = self.limits.inflight_max
        self.keepalive_seconds = 0.0
        self.is_closed = False
        self.last_seen = 0.0
        self.connect_by = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._holds = 0
        self._held_since = 0.0
        self._task: asyncio.Task[None] | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._messages_rate: Bucket | None = None
        self._bytes_rate: Bucket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio.Transport
        self._transport = made = cast("asyncio.Transport", transport)
        made.set_write_buffer_limits(high=self.limits.write_buffer_bytes)
        self.last_seen = self._loop.time()
        self.connect_by = self.last_seen + self.limits.connect_seconds
        self.broker.arrived(self)
        if self._holds:  # asyncio of Python 3.11.2 begins to read after this, paused or not
            self._loop.call_soon(self._pause_again)

    def _pause_again(self) -> None:
        if self._holds and self._transport is not None and not self.is_closed:
            self._transport.resume_reading()
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._out.clear()
        if self._task is not None:
            self._task.cancel()
        self.broker.left(self)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.hold(UNREAD)

    def resume_writing(self) -> None:
        self.release(UNREAD)
        if self.session is not None:
            self.session.drain(self._loop.time())

    @property
    def is_writable(self) -> bool:
        return not (self._holds & UNREAD or self.is_closed)

    def write(self, packet: bytes) -> None:
        """Queue bytes for the end of this turn of the loop; one system call carries them all."""
        if self.is_closed:
            return
        self._out.append(packet)
        self._out_bytes += len(packet)
        if len(self._out) == 1:
            self._loop.call_soon(self.flush)
        if self._out_bytes > self.limits.write_buffer_bytes:
            self.flush()

    def flush(self) -> None:
        if self._out and self._transport is not None and not self.is_closed:
            packets = b"".join(self._out)
            self._out.clear()
            self._out_bytes = 0
            self._transport.write(packets)

    def close(self, reason: int) -> None:
        """End the connection; a client of MQTT 5 is told why."""
        if self.is_closed:
            return
        if self.version == VERSION_5 and self.session is not None:
            self.write(encode_disconnect(VERSION_5, reason))
        self.finish()

    def finish(self) -> None:
        """Send what is queued, then close; what the client never reads is cut off by the sweep."""
        if not self.is_closed and self._transport is not None:
            self.flush()
            self.is_closed = True
            self._held_since = self._loop.time()
            self._transport.close()
            self.broker.detach(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def hold(self, reason: int) -> None:
        if not self._holds and self._transport is not None and not self.is_closed:
            self._transport.pause_reading()
        if reason == UNREAD:
            self._held_since = self._loop.time()
        self._holds |= reason

    def release(self, reason: int) -> None:
        if not self._holds & reason:
            return
        self._holds &= ~reason
        if not self._holds and self._transport is not None and not self.is_closed:
            self.last_seen = self._loop.time()
            self._transport.resume_reading()

    def wait_turn(self, delay_seconds: float) -> None:
        """Read nothing for a while: the client is over a rate."""
        if not self._holds & RATE:
            self.hold(RATE)
            delay = min(delay_seconds, self.limits.pause_seconds_max)
            self._loop.call_later(delay, self._end_turn, self._loop.time())

    def _end_turn(self, since_seconds: float) -> None:
        """Read again, unless more was booked meanwhile."""
        now = self._loop.time()
        left = self.limits.pause_seconds_max - (now - since_seconds)
        buckets = (self._messages_rate, self._bytes_rate)
        delay = max((bucket.take(0, now) for bucket in buckets if bucket), default=0.0)
        if delay and left > 0 and not self.is_closed:
            self._loop.call_later(min(delay, left), self._end_turn, since_seconds)
        else:
            self.release(RATE)

    def yield_turn(self) -> None:
        """Read nothing until storage had a turn: a loop may read a busy socket many times."""
        if not self._holds & CROWDED:
            self.hold(CROWDED)
            self._loop.call_later(self.limits.crowded_seconds, self.release, CROWDED)

    def check(self, now_seconds: float) -> None:
        """Cut off a client that is silent, late with CONNECT, or does not read."""
        stalled = now_seconds - self._held_since > self.limits.send_seconds
        if self.is_closed or self._holds & UNREAD:
            if stalled:
                self.abort()
        elif self.session is None:
            if now_seconds > self.connect_by:
                self.abort()
        elif (
            self.keepalive_seconds
            and not self._holds
            and now_seconds - self.last_seen > self.keepalive_seconds
        ):
            self.close(Reason.KEEP_ALIVE_TIMEOUT)

    def attach(self, session: Session) -> None:
        """CONNECT was accepted."""
        self.session = session
        if session.agent.kind is not AgentKind.BACKEND:
            now = self._loop.time()
            self._messages_rate = Bucket(self.limits.messages_per_second, now)
            self._bytes_rate = Bucket(self.limits.bytes_per_second, now)

    def spend(self, count: int) -> None:
        """Book packets on the message rate: all but acknowledgements that were owed."""
        if self._messages_rate is not None:
            delay = self._messages_rate.take(count, self._loop.time())
            if delay:
                self.wait_turn(delay)

"""What a broker sends again: nothing new is taken for it, nothing of it is stored twice.

A broker that does what it is told, and mosquitto. Payloads are alike on purpose: devices say "on"
again and again, and then a packet identifier that comes round is all that tells two apart.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.codecs import records
from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VERSION_5
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import Record, SampleRecord, SessionRecord
from pepeunit.entrypoints.pipeline.inbox import Inbox
from pepeunit.entrypoints.pipeline.limits import InboxLimits
from pepeunit.entrypoints.pipeline.redelivery import DUP, Remembered
from pepeunit.entrypoints.pipeline.topics import NodeTopics
from pepeunit.usecases.samples.intake import LATE_BYTES, Intake
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.test_inbox import (
    NODE,
    QUICK,
    TOPIC,
    Store,
    Told,
    acks,
    broker,
    mosquitto,
    publish,
    reading,
    told,
    until,
)
from tests.doubles.mosquitto import Mosquitto

__all__ = ["mosquitto", "told"]

LIMITS = InboxLimits()
AGAIN = 0x32 | DUP
NOW_MS = 1_750_000_000_000


def on(*packet_ids: int, received_ms: int = NOW_MS) -> SampleRecord:
    return SampleRecord(received_ms, {NODE: [b"on"] * len(packet_ids)}, {NODE: packet_ids})


def expecting(*stored: SampleRecord) -> Remembered:
    remembered = Remembered(LIMITS)
    for record in stored:
        remembered.add(record)
    remembered.expect()
    return remembered


# which message is one that was stored


def test_the_newest_that_were_stored_are_known_in_the_order_they_came() -> None:
    remembered = expecting(on(1, 2), on(3))
    assert [remembered.is_known(AGAIN, n, NODE, b"on") for n in (2, 3, 4)] == [True, True, False]


@pytest.mark.parametrize(
    ("head", "packet_id", "payload"),
    [(0x32, 1, b"on"), (AGAIN, 9, b"on"), (AGAIN, 1, b"off")],
    ids=["sent the first time", "another identifier", "another payload"],
)
def test_behind_the_first_that_is_new_nothing_is_known(
    head: int, packet_id: int, payload: bytes
) -> None:
    remembered = expecting(on(1, 2))
    assert not remembered.is_known(head, packet_id, NODE, payload)
    assert not remembered.is_expecting
    assert not remembered.is_known(AGAIN, 2, NODE, b"on")


def test_what_was_stored_before_identifiers_could_come_round_is_not_known() -> None:
    assert not expecting(on(*range(1, 65_536))).is_known(AGAIN, 1, NODE, b"on")
    of_each = [on(*range(at, at + 1_024)) for at in range(1, 60_000, 1_024)]
    assert not expecting(*of_each).is_known(AGAIN, 1, NODE, b"on")


def test_what_was_stored_long_before_the_newest_is_not_known() -> None:
    long_ago = NOW_MS - 1000 * LIMITS.remembered_seconds - 1
    remembered = expecting(on(1, received_ms=long_ago), on(2))
    assert not remembered.is_known(AGAIN, 1, NODE, b"on")


# over connections


async def one_and_two_are_stored(told: Told) -> None:
    """Under the identifiers 5 and 6 of a new session; then the connection ends."""
    await told.greet(session_present=False)
    told.publish(b"one", 5)
    told.publish(b"two", 6)
    assert acks(await told.next(), await told.next()) == [5, 6]
    told.cut_off()


async def test_what_was_stored_and_comes_again_is_acknowledged_and_not_stored_again(
    told: Told,
) -> None:
    store = Store()
    async with reading(told.port, store):
        await one_and_two_are_stored(told)
        await told.greet(session_present=True)
        told.publish(b"one", 5, dup=True)
        told.publish(b"another", 6, dup=True)
        told.publish(b"one", 5, dup=True)
        assert acks(await told.next(), await told.next(), await told.next()) == [5, 6, 5]
    assert store.payloads == [b"one", b"two", b"another", b"one"]


async def test_what_a_killed_process_stored_and_did_not_acknowledge_is_not_stored_again(
    told: Told,
) -> None:
    store = Store()
    async with reading(told.port, store):
        await one_and_two_are_stored(told)
    async with reading(told.port, store):  # what the first one remembered is gone
        await told.greet(session_present=True)
        told.publish(b"two", 6, dup=True)
        told.publish(b"three", 7, dup=True)
        assert acks(await told.next(), await told.next()) == [6, 7]
    assert store.payloads == [b"one", b"two", b"three"]


async def test_a_session_that_begins_anew_has_new_identifiers(told: Told) -> None:
    store = Store()
    async with reading(told.port, store):
        await told.greet(session_present=False)
        told.publish(b"one", 5)
        await told.next()
        told.cut_off()
        await told.greet(session_present=False)
        told.publish(b"one", 5, dup=True)
        await told.next()
    assert store.payloads == [b"one", b"one"]


async def test_identifiers_of_an_earlier_session_are_not_recalled_after_a_kill(
    told: Told,
) -> None:
    store = Store()
    async with reading(told.port, store):
        await told.greet(session_present=False)
        told.publish(b"on", 1)
        acks(await told.next())
        told.cut_off()
        await told.greet(session_present=False)  # the broker has lost the session
        told.cut_off()
    async with reading(told.port, store):  # killed before it read the first of the new one
        await told.greet(session_present=True)
        told.publish(b"on", 1, dup=True)
        acks(await told.next())
    assert store.payloads == [b"on", b"on"]


async def test_nothing_comes_in_a_new_session_before_the_journal_knows_of_it(told: Told) -> None:
    store = Store()
    store.refuses = True
    async with reading(told.port, store):
        assert isinstance(await told.next(), p.Connect)
        told.send(e.encode_connack(0, VERSION_5, session_present=False))
        assert isinstance(await told.next(), p.Connect)  # not subscribed: given up, asked again
        store.refuses = False
        told.send(e.encode_connack(0, VERSION_5, session_present=True))
        assert isinstance(await told.next(), p.Subscribe)
    assert [type(one) for one in store.records] == [SessionRecord]


async def test_a_second_run_in_the_same_process_recalls_no_earlier_session(told: Told) -> None:
    store = Store()
    topics = NodeTopics({"here"}, 10)
    inbox = Inbox(broker(told.port), topics, store, lambda: datetime.now(UTC), QUICK)
    running = asyncio.create_task(inbox.run())
    await told.greet(session_present=False)
    told.publish(b"on", 2)
    acks(await told.next())
    told.cut_off()
    await told.greet(session_present=False)
    told.cut_off()
    running.cancel()
    await asyncio.wait([running])
    running = asyncio.create_task(inbox.run())
    await told.greet(session_present=True)
    told.publish(b"on", 2, dup=True)
    assert acks(await told.next()) == [2]
    running.cancel()
    await asyncio.wait([running])
    assert store.payloads == [b"on", b"on"]


async def test_the_journal_of_a_restored_backup_says_nothing_of_todays_identifiers(
    told: Told,
) -> None:
    store = Store()
    store.records = [on(77)]
    async with reading(told.port, store):
        await told.greet(session_present=True)
        told.publish(b"on", 77, dup=True)
        assert acks(await told.next()) == [77]
    assert store.payloads == [b"on"]


async def test_a_journal_that_cannot_be_read_back_does_not_close_the_way_in(told: Told) -> None:
    class Damaged(Store):
        async def late(self) -> AsyncIterator[SampleRecord | SessionRecord]:
            raise Unavailable("journal", "Input/output error")
            yield on(1)

    async with reading(told.port, Damaged()):
        await told.greet(session_present=False)


# a connection that ends before it is subscribed


async def greet_without_suback(one: Told) -> None:
    assert isinstance(await one.next(), p.Connect)
    one.send(e.encode_connack(0, VERSION_5, session_present=True))
    assert isinstance(await one.next(), p.Subscribe)


async def test_what_came_before_a_suback_that_never_came_is_stored_once(told: Told) -> None:
    store = Store()
    store.refuses = True
    async with reading(told.port, store):
        await greet_without_suback(told)
        told.publish(b"one", 5, dup=True)
        await until(lambda: store.refused)
        told.cut_off()
        await asyncio.sleep(3 * QUICK.retry_seconds_max)
        store.refuses = False
        await told.greet(session_present=True)
        told.publish(b"one", 5, dup=True)
        assert acks(await told.next()) == [5]
    assert store.payloads == [b"one"]


async def test_a_new_connection_is_read_and_acknowledged_after_one_that_was_given_up(
    told: Told,
) -> None:
    store = Store()
    store.refuses = True
    limits = InboxLimits(held_bytes_max=10_000, store_retry_seconds=0.02, retry_seconds_min=0.05)
    async with reading(told.port, store, limits) as inbox:
        await greet_without_suback(told)
        told.publish(b"one", 5)
        await until(lambda: store.refused)
        told.publish(b"two", 6)
        await asyncio.sleep(0.05)
        told.cut_off()
        store.refuses = False
        await told.greet(session_present=True)
        for number in range(200):
            told.publish(b"x" * 100, 100 + number)
        assert acks(*[await told.next() for _ in range(200)]) == list(range(100, 300))
        await until(lambda: not inbox.held_bytes)
        told.publish(b"last", 900)
        assert acks(await told.next()) == [900]


# mosquitto


async def test_what_mosquitto_alone_had_is_stored_after_it_lost_its_sessions(
    mosquitto: Mosquitto,
) -> None:
    store = Store()
    async with reading(mosquitto.port, store) as inbox:
        await until(lambda: inbox.is_connected)
        await asyncio.to_thread(publish, mosquitto.port, *[(TOPIC, b"on", 1)] * 10)
        await until(lambda: len(store.payloads) == 10)
        os.kill(mosquitto.pid, signal.SIGKILL)
        before = inbox.connections
        await asyncio.to_thread(mosquitto.stop)
        await asyncio.to_thread(mosquitto.start)
        await until(lambda: inbox.connections > before)
        await asyncio.to_thread(publish, mosquitto.port, *[(TOPIC, b"off", 1)] * 3)
        await until(lambda: len(store.payloads) == 13)

    def die_with_five_unread() -> None:
        with BareClient(mosquitto.port, VERSION_5) as client:
            client.connect(
                "pepeunit-pipeline-here",
                clean=False,
                properties={Property.SESSION_EXPIRY: 86400, Property.RECEIVE_MAXIMUM: 65535},
            )
            publish(mosquitto.port, *[(TOPIC, b"on", 1)] * 5)
            assert client.next()[0] & 0x30 == 0x30

    await asyncio.to_thread(die_with_five_unread)
    async with reading(mosquitto.port, store):
        await until(lambda: len(store.payloads) == 18)
    assert store.payloads[13:] == [b"on"] * 5


# the journal's part


async def appended(intake: Intake, *some: Record) -> None:
    for record in some:
        await intake.append(record)


async def test_the_newest_samples_and_sessions_are_read_back_whoever_appended_them() -> None:
    journal = MemoryJournal()
    earlier = Intake(journal, records, 1 << 20)
    wanted = [on(1, 2), SessionRecord(NOW_MS), SampleRecord(NOW_MS, {NODE: [b"1"]}), on(3)]
    await appended(earlier, *wanted)
    late = [record async for record in Intake(journal, records, 1 << 20).late()]
    assert [type(one) for one in late] == [type(one) for one in wanted]
    assert [one.packet_ids for one in late if isinstance(one, SampleRecord)] == [
        {NODE: (1, 2)},
        {},
        {NODE: (3,)},
    ]


async def test_only_the_end_of_a_long_journal_is_read_back(tmp_path: Path) -> None:
    limits = JournalLimits(segment_bytes=1 << 20, buffer_bytes_max=1 << 20)
    journal = await FileJournal.open(tmp_path, limits)
    intake = Intake(journal, records, 1 << 20)
    for number in range(20):
        payload = bytes([number]) * (1 << 20)
        await intake.append(SampleRecord(NOW_MS, {NODE: [payload]}, {NODE: [number + 1]}))
    late = [one async for one in intake.late() if isinstance(one, SampleRecord)]
    await journal.close()
    assert [one.packet_ids[NODE] for one in late][-1] == (20,)
    assert LATE_BYTES <= sum(one.payload_bytes for one in late) < LATE_BYTES + (2 << 20)


def test_identifiers_stay_with_their_payloads_when_a_record_is_cut() -> None:
    other = type(NODE)(int=101)
    whole = SampleRecord(
        NOW_MS,
        {NODE: [b"a" * 40, b"b" * 40, b"c"], other: [b"d" * 40]},
        {NODE: [1, 2, 3], other: [4]},
    )
    parts = list(whole.parts(50))
    assert len(parts) == 3
    told_again = [
        (packet_id, payload[:1])
        for part in parts
        for node, payloads in part.payloads.items()
        for packet_id, payload in zip(part.packet_ids[node], payloads, strict=True)
    ]
    assert told_again == [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"d")]

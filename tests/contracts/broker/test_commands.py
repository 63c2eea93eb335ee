"""Commands on real MQTT connections: what a device did not acknowledge it is told again
(rulings 22)."""

from __future__ import annotations

import asyncio

from pepeunit.codecs.mqtt.encode import encode_ack
from pepeunit.codecs.mqtt.packets import PUBACK
from pepeunit.codecs.mqtt.wire import VERSION_5, Reason
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.messaging.topic import node_topic
from pepeunit.usecases.updates.drain_outbox import RETRY_SECONDS
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.served import Served, aside
from tests.contracts.broker.world import DEADLINE_SECONDS
from tests.usecases.platform import DOMAIN


def command_of(unit: UnitId) -> str:
    return f"{DOMAIN}/input_base_topic/{unit}/env_update/pepeunit"


async def test_rulings_22_a_device_that_dies_before_its_puback_is_told_again(
    served: Served,
) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    token = await platform.token_of(unit, owner)
    command = command_of(unit)
    with BareClient(served.port) as device:
        await served.code(token, device)
        await aside(lambda: device.subscribe(command))
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        assert (await aside(device.next))[1].decode() == command
    with BareClient(served.port) as device:
        await served.code(token, device)
        await aside(lambda: device.subscribe(command))
        assert (await aside(device.next))[1].decode() == command


async def test_rulings_22_a_command_leaves_the_outbox_with_the_puback(served: Served) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    with BareClient(served.port) as device:
        await served.code(await platform.token_of(unit, owner), device)
        await aside(lambda: device.subscribe(command_of(unit)))
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        told = await aside(device.next)
        await platform.drain.settle()
        assert len(await platform.outbox()) == 1
        device.ack(told[3])
        assert await aside(device.ping)
        await platform.drain.settle()
        assert await platform.outbox() == []


async def test_rulings_22_a_device_at_qos_0_is_told_once(served: Served) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    token = await platform.token_of(unit, owner)
    with BareClient(served.port) as device:
        await served.code(token, device)
        await aside(lambda: device.subscribe(command_of(unit), qos=0))
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        await aside(device.next)
        assert await platform.outbox() == []
    with BareClient(served.port) as device:
        await served.code(token, device)
        await aside(lambda: device.subscribe(command_of(unit), qos=0))
        assert await aside(device.is_silent)


async def test_rulings_22_a_connection_is_told_once_however_often_the_outbox_is_drained(
    served: Served,
) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    with BareClient(served.port) as device:
        await served.code(await platform.token_of(unit, owner), device)
        await aside(lambda: device.subscribe(command_of(unit)))
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        await aside(device.next)
        await platform.drain.again(unit)
        platform.clock.move(RETRY_SECONDS)
        assert await platform.drain() == 0
        await aside(lambda: device.subscribe(command_of(unit)))
        assert await aside(device.is_silent)
        (waiting,) = await platform.outbox()
        assert waiting.attempts == 1


async def test_rulings_22_a_stored_session_is_told_again_once(served: Served) -> None:
    """By MQTT's own rule, with the same packet id; not by the outbox a second time."""
    platform, owner, unit = served.platform, served.owner, served.unit
    token = await platform.token_of(unit, owner)
    with BareClient(served.port) as device:
        await aside(lambda: device.connect(str(unit), token, clean=False))
        await aside(lambda: device.subscribe(command_of(unit)))
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        told = await aside(device.next)
    with BareClient(served.port) as device:
        await aside(lambda: device.connect(str(unit), token, clean=False))
        again = await aside(device.next)
        assert again[3] == told[3]
        assert await aside(device.is_silent)
        device.ack(again[3])
        assert await aside(device.ping)
        await platform.drain.settle()
        assert await platform.outbox() == []


async def test_rulings_22_the_puback_of_an_older_command_leaves_the_newer_one(
    served: Served,
) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    with BareClient(served.port) as device:
        await served.code(await platform.token_of(unit, owner), device)
        await aside(lambda: device.subscribe(command_of(unit)))
        for _ in range(2):
            await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        older, newer = await aside(device.next), await aside(device.next)
        assert older[3] != newer[3]
        device.ack(older[3])
        assert await aside(device.ping)
        await platform.drain.settle()
        assert len(await platform.outbox()) == 1


async def test_rulings_22_a_puback_that_says_no_leaves_the_command(served: Served) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    with BareClient(served.port, VERSION_5) as device:
        await served.code(await platform.token_of(unit, owner), device)
        await aside(lambda: device.subscribe(command_of(unit)))
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        told = await aside(device.next)
        device.send(encode_ack(PUBACK, told[3], Reason.QUOTA_EXCEEDED))
        assert await aside(device.ping)
        await platform.drain.settle()
        assert len(await platform.outbox()) == 1


async def test_setting_an_input_waits_for_no_puback(served: Served) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    node = await platform.node(unit, "led/pepeunit")
    topic = node_topic(DOMAIN, node.uuid, node.topic_name)
    with BareClient(served.port) as device:
        await served.code(await platform.token_of(unit, owner), device)
        await aside(lambda: device.subscribe(topic))
        for state in ("1", "2"):
            async with asyncio.timeout(DEADLINE_SECONDS):
                await platform.set_input(owner, node.uuid, state)
        assert [(await aside(device.next))[2] for _ in range(2)] == [b"1", b"2"]

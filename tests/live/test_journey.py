"""A device publishes; who may see it watches over both doors."""

from __future__ import annotations

import json

from tests.access.mqtt_client import FAILURES_FROM, MqttClient
from tests.access.world import DOMAIN, World
from tests.live.speaking import VALUES, connected, streaming, subscription


async def test_a_value_a_state_a_log_and_presence_are_told_as_they_happen(world: World) -> None:
    things = world.things["Private"]
    unit, temp, port = things["unit"], things["temp"], world.client.port
    query = f"units={unit}&nodes={temp}&kinds=unit_state&kinds=unit_log&kinds=node_value"
    owner = world.signed["o"]
    async with connected(port, owner) as socket, streaming(port, owner, query) as stream:
        assert [kind for kind, _ in await stream.begun()] == ["unit_state", "node_value"]
        await socket.subscribe("1", VALUES, temp)
        assert (await socket.event())["isSnapshot"]
        await socket.subscribe("2", subscription("unitPresence"), unit)
        assert (await socket.event("2"))["isOnline"] is False
        async with MqttClient(world.port, world.unit_token(unit)) as device:
            assert (await socket.event("2"))["isOnline"] is True
            assert await device.publish(f"{DOMAIN}/{temp}/pepeunit", b"21.5") < FAILURES_FROM
            assert await socket.event() == {
                "uuid": temp,
                "value": "21.5",
                "isSnapshot": False,
                "passedOver": 0,
            }
            kind, told = await stream.block()
            assert (kind, told["uuid"], told["value"]) == ("node_value", temp, "21.5")
            entry = json.dumps({"level": "Info", "text": "hello"}).encode()
            await device.publish(f"{DOMAIN}/output_base_topic/{unit}/log/pepeunit", entry)
            kind, told = await stream.block()
            assert (kind, told["entry"]["text"]) == ("unit_log", "hello")
            state = json.dumps({"freq": 80, "ifconfig": ["10.0.0.7"]}).encode()
            await device.publish(f"{DOMAIN}/output_base_topic/{unit}/state/pepeunit", state)
            kind, told = await stream.block()
            assert (kind, told["unit_state"]["freq"]) == ("unit_state", 80)
            assert told["unit_state"]["ifconfig"] == ["10.0.0.7"]
        assert (await socket.event("2"))["isOnline"] is False


async def test_an_input_that_a_person_sets_is_told(world: World) -> None:
    led = world.things["Public"]["led"]
    async with connected(world.client.port, None) as socket:
        await socket.subscribe("1", VALUES, led)
        await socket.event()
        await world.done("PATCH", f"/unit_nodes/set_state_input/{led}", "o", {"state": "on"})
        assert (await socket.event())["value"] == "on"


async def test_w43_viewers_are_not_told_a_units_addresses(world: World) -> None:
    things = world.things["Public"]
    unit, port = things["unit"], world.client.port
    query = f"units={unit}&kinds=unit_state"
    async with connected(port, world.signed["u"]) as socket, streaming(port, None, query) as stream:
        await socket.subscribe("1", subscription("unitState"), unit)
        ((_, told),) = await stream.begun()
        assert told["unit_state"]["ifconfig"] == []
        assert (await socket.event())["unitState"]["ifconfig"] == []
        world.clock.now = world.clock.now.replace(year=2027)
        async with MqttClient(world.port, world.unit_token(unit)) as device:
            state = json.dumps({"freq": 81, "ifconfig": ["10.0.0.8"]}).encode()
            await device.publish(f"{DOMAIN}/output_base_topic/{unit}/state/pepeunit", state)
            told = (await socket.event())["unitState"]
            assert (told["freq"], told["ifconfig"]) == (81, [])
            assert (await stream.block())[1]["unit_state"]["ifconfig"] == []


async def test_updates_syncs_and_rollouts_are_told(world: World) -> None:
    things = world.things["Public"]
    async with connected(world.client.port, world.signed["o"]) as socket:
        for name, field, uuid in (
            ("1", "unitUpdate", things["unit"]),
            ("2", "registryProgress", things["registry"]),
            ("3", "rolloutProgress", things["repo"]),
        ):
            await socket.subscribe(name, subscription(field), uuid)
            assert (await socket.event(name))["isSnapshot"]
        body = {"command": "Update"}
        path = f"/units/send_command_to_input_base_topic/{things['unit']}"
        await world.done("POST", f"{path}?command=Update", "o", body)
        assert (await socket.event("1"))["firmwareUpdateStatus"] == "REQUEST_SENT"
        registry = things["registry"]
        path = f"/repository_registry/update_local_repository/{registry}"
        await world.done("PATCH", path, "o")
        await world.settle()
        seen = []
        while seen[-1:] != ["UPDATED"]:
            told = await socket.event("2")
            seen.append(told["syncStatus"])
        assert "isSnapshot" in told


async def test_a_rollout_that_is_paused_is_told(world: World) -> None:
    repo = world.things["Public"]["repo"]
    async with connected(world.client.port, world.signed["o"]) as socket:
        await socket.subscribe("1", subscription("rolloutProgress"), repo)
        assert (await socket.event())["rollout"]["state"] == "RUNNING"
        await world.done("POST", f"/repos/rollout/{repo}/pause", "o")
        assert (await socket.event())["rollout"]["state"] == "PAUSED"

"""Rotated and revoked tokens on real MQTT connections (rulings 16, W10, W22)."""

from __future__ import annotations

from pepeunit.domain.users.user import UserRole
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.served import Served, aside
from tests.usecases.platform import DOMAIN

BAD_CREDENTIALS = 4


async def test_w10_a_rotation_reaches_the_device_and_its_next_connection_ends_the_old_token(
    served: Served,
) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    old = await platform.token_of(unit, owner)
    command = f"{DOMAIN}/input_base_topic/{unit}/env_update/pepeunit"
    with BareClient(served.port) as device, BareClient(served.port) as renewed:
        assert await served.code(old, device) == 0
        await aside(lambda: device.subscribe(command))
        await platform.rotate_token(owner, unit)
        told = await aside(device.next)
        assert told[1].decode() == command and b"EnvUpdate" in told[2]
        new = await platform.token_of(unit, owner)
        assert await served.code(new, renewed, "another") == 0  # no takeover
        assert await aside(device.is_cut_off)
        assert await served.code(old) == BAD_CREDENTIALS
        assert platform.broker.is_online(unit)


async def test_w10_until_then_the_old_token_still_connects(served: Served) -> None:
    old = await served.platform.token_of(served.unit, served.owner)
    await served.platform.rotate_token(served.owner, served.unit)
    assert await served.code(old) == 0


async def test_rulings_16_revoking_cuts_the_connection_and_the_token_at_once(
    served: Served,
) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    token = await platform.token_of(unit, owner)
    with BareClient(served.port) as device:
        assert await served.code(token, device) == 0
        await platform.revoke_token(owner, unit)
        assert await aside(device.is_cut_off)
    assert await served.code(token) == BAD_CREDENTIALS
    assert await served.code(await platform.token_of(unit, owner)) == 0


async def test_rulings_16_the_connection_of_a_token_that_ran_out_is_cut(served: Served) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    with BareClient(served.port) as device:
        assert await served.code(await platform.token_of(unit, owner), device) == 0
        await platform.rotate_token(owner, unit)
        platform.clock.move(24 * 3600)
        assert await platform.end_old_tokens() == 1
        assert await aside(device.is_cut_off)


async def test_w22_blocking_a_person_cuts_his_devices(served: Served) -> None:
    platform, owner, unit = served.platform, served.owner, served.unit
    token = await platform.token_of(unit, owner)
    admin = await platform.user("boss", UserRole.ADMIN)
    with BareClient(served.port) as device:
        assert await served.code(token, device) == 0
        await platform.block_user(admin, (await platform.user_row(owner)).uuid)
        assert await aside(device.is_cut_off)
    assert await served.code(token) == BAD_CREDENTIALS

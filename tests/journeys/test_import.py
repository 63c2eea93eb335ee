"""An installation of the reference platform moves here with its devices (issue 3 part 6)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pepeunit.codecs.mqtt import packets as p
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import rest_client
from tests.contracts.broker.clients import BareClient
from tests.journeys.conftest import Served, pepeunit
from tests.journeys.reference import PASSWORD, EmbeddedPostgres, Reference

PROJECT = "field/blinker"
DEMO = Path(__file__).parents[2] / "src/pepeunit/entrypoints/cli/demo_program"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    folder = tmp_path / "forge"
    folder.mkdir()
    forge = Forge(folder)
    await forge.start()
    yield forge
    await forge.stop()


@pytest.fixture
async def reference(tmp_path: Path, forge: Forge) -> AsyncIterator[Reference]:
    files = {path.name: path.read_bytes() for path in DEMO.iterdir() if path.is_file()}
    await forge.create(PROJECT)
    commit = await forge.commit(PROJECT, files, "One")
    server = EmbeddedPostgres(tmp_path / "their-postgres", "secret", tmp_path / "their.log")
    await server.start()
    made = Reference(server, "iot.example", forge.url(PROJECT), str(commit))
    await made.fill()
    yield made
    await server.stop()


def importing(served: Served, reference: Reference, *more: str) -> str:
    ended = pepeunit(
        "import-reference", "--data-dir", str(served.data_dir), *more, **reference.secrets
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def counted(report: str) -> dict[str, int]:
    head = report.partition("skipped:")[0]
    return {kind: int(count) for count, kind in re.findall(r"^ +(\d+) (\w+)$", head, re.M)}


async def test_a_device_with_its_old_env_json_connects_and_gets_an_update(
    served: Served, forge: Forge, reference: Reference
) -> None:
    report = importing(served, reference)
    assert counted(report) == {
        "user": 2,
        "registry": 2,
        "credentials": 2,
        "repo": 1,
        "unit": 2,
        "node": 4,
        "edge": 1,
        "permission": 2,
    }
    assert "user Bob: its name is taken by" in report
    assert "permission: follows from an edge" in report
    assert "permission: its agent was not imported" in report
    # the address it is reached at today: devices follow the domain, which is theirs already
    served.settings = {"PU_GIT_HOST_ALLOWLIST": forge.authority, "PU_MQTT_HOST": "127.0.0.1"}
    served.start()
    lamp = reference.id("lamp")
    with BareClient(served.mqtt_port) as device:
        answer = device.connect(str(lamp), reference.device_env["PU_AUTH_TOKEN"])
        assert answer.code == 0
        topic = f"{reference.domain}/input_base_topic/{lamp}/update/pepeunit"
        assert device.subscribe(topic) == [1]
        files = {path.name: path.read_bytes() for path in DEMO.iterdir() if path.is_file()}
        newer = await forge.commit(PROJECT, files | {"README.md": b"two"}, "Two")
        async with rest_client(served.api_url) as api:
            login = {"credentials": "alice", "password": PASSWORD}
            api.token = (await api.call("POST", "users/auth", login))["token"]  # PBKDF2 still fits
            registry = reference.id("registry")
            await api.call("PATCH", f"repository_registry/update_local_repository/{registry}")
            told = device.next(30.0)
            assert (told[0] & 0xF0, told[1].decode()) == (p.PUBLISH, topic)
            assert json.loads(told[2])["PU_COMMIT_VERSION"] == newer
            env = await api.call("GET", f"units/env/{lamp}")
            kept = ("PU_SECRET_KEY", "PU_ENCRYPT_KEY", "PU_AUTH_TOKEN", "MEASURE_SECONDS")
            assert {name: env[name] for name in kept} == {
                name: reference.device_env[name] for name in kept
            }
            assert env["PU_MIN_LOG_LEVEL"] == "Error"
            assert env["PU_MQTT_HOST"] == "127.0.0.1"
            stored = await api.call("GET", f"units/get_state_storage/{lamp}")
            assert stored == "what the lamp kept"
            private = reference.id("private")
            slot = await api.call("GET", f"repository_registry/get_credentials/{private}")
            assert (slot["credentials"]["username"], slot["status"]) == ("alice", "Valid")
            assert (await api.call("GET", f"units/{lamp}"))["create_datetime"].startswith(
                "2025-03-01T12:30:00"
            )


async def test_importing_again_changes_nothing_and_a_dry_run_keeps_nothing(
    served: Served, reference: Reference
) -> None:
    report = importing(served, reference, "--dry-run")
    assert (counted(report)["unit"], report.startswith("would import:")) == (2, True)
    assert not served.data_dir.exists()
    first = importing(served, reference)
    assert counted(first) == counted(report)
    keys = (served.data_dir / "keys.json").read_bytes()
    db = await reference.connect()
    await db.execute("UPDATE units SET name = 'shelf-renamed' WHERE name = 'shelf'")
    await db.close()
    again = importing(served, reference)
    assert not [count for count in counted(again).values() if count > 1]
    assert "0 rows" in again
    assert (served.data_dir / "keys.json").read_bytes() == keys


async def test_an_installation_with_people_and_other_keys_is_not_overwritten(
    served: Served, reference: Reference
) -> None:
    at = ("--data-dir", str(served.data_dir))
    assert pepeunit("migrate", *at).returncode == 0
    assert pepeunit("user", "create", "somebody", *at).returncode == 0
    keys = (served.data_dir / "keys.json").read_bytes()
    ended = pepeunit("import-reference", *at, **reference.secrets)
    assert (ended.returncode, "other keys" in ended.stderr) == (2, True)
    assert (served.data_dir / "keys.json").read_bytes() == keys


async def test_what_cannot_be_decrypted_is_told_and_the_rest_comes(
    served: Served, reference: Reference
) -> None:
    db = await reference.connect()
    await db.execute("UPDATE units SET cipher_env_dict = 'AAAA.BBBB' WHERE name = 'lamp'")
    await db.execute("UPDATE units SET visibility_level = 'Public', unit_state = '{broken'")
    await db.execute("UPDATE units SET unit_state = NULL WHERE name = 'lamp'")
    await db.close()
    report = importing(served, reference)
    assert "env lamp: cannot be decrypted" in report
    assert "unit shelf: cannot be read" in report
    assert counted(report)["unit"] == 1


def test_what_is_missing_is_told_at_once(served: Served) -> None:
    ended = pepeunit("import-reference", "--data-dir", str(served.data_dir), PU_STATIC_SALT="x")
    assert ended.returncode == 2
    for name in ("PU_SECRET_KEY", "PU_ENCRYPT_KEY", "REFERENCE_DATABASE_URL"):
        assert name in ended.stderr
    assert not served.data_dir.exists()

"""``pepeunit demo``: a platform, a code host and a device on this machine, explained as they work.

Its data directory holds, beside the platform's own files, ``demo/``: the code host's repositories,
the device's folder, and ``demo.json`` (0600) with the demo user's password and the ports used, so
that the next demo goes on where this one ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Final

from attrs import asdict, field, frozen

from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.entrypoints.cli.demo_journey import Journey
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.narrator import Narrator
from pepeunit.entrypoints.cli.operations import port
from pepeunit.entrypoints.cli.platform import Platform, Running, ServeOptions
from pepeunit.entrypoints.cli.rest_client import rest_client

HOST: Final = "127.0.0.1"
HTTP_PORT: Final = 8555
MQTT_PORT: Final = 1883
FORGE_PORT: Final = 8929
FACTS: Final = "demo.json"
LOGIN: Final = "demo"
STATE_SEND_SECONDS: Final = 10


@frozen
class DemoFacts:
    """What one demo remembers for the next."""

    login: str
    password: str = field(repr=False)
    http_port: int
    mqtt_port: int
    forge_port: int


async def demo(platform: Platform, data_dir: Path, *, once: bool, tell: Narrator) -> None:
    """Walk the journey; then, unless ``once``, stay up until cancelled.

    Raises ``Unavailable`` with the reason when a step fails.
    """
    folder = data_dir / "demo"
    (folder / "forge").mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = await asyncio.to_thread(_remembered, folder)
    forge = Forge(folder / "forge", HOST, facts.forge_port)
    await forge.start()
    try:
        options = ServeOptions(
            data_dir,
            HOST,
            facts.http_port,
            facts.mqtt_port,
            {
                "PU_DOMAIN": f"{HOST}:{facts.http_port}",
                "PU_SECURE": "false",
                "PU_MQTT_HOST": HOST,
                "PU_GIT_HOST_ALLOWLIST": forge.authority,
                "PU_STATE_SEND_INTERVAL": str(STATE_SEND_SECONDS),
            },
        )
        tell.step(f"The platform starts; all its state is in {data_dir}")
        async with platform.serve(options) as running, rest_client(running.api_url) as api:
            await asyncio.to_thread(_remember, folder, facts)
            tell.fact(f"{running.base_url} answers, MQTT on port {running.mqtt_port}")
            journey = Journey(forge, api, folder / "device", facts.login, facts.password, tell)
            async with journey.walked() as unit:
                tell.closing(
                    f"Done in {tell.seconds:.1f} s: a push reached a device, and it updated "
                    "itself.",
                    {} if once else _what_next(running, facts, unit["uuid"]),
                )
                if not once:
                    await asyncio.Event().wait()
    finally:
        await forge.stop()


def _what_next(running: Running, facts: DemoFacts, unit: str) -> dict[str, str]:
    return {
        "web": running.base_url,
        "API": running.base_url + "/docs",
        "MQTT": f"{running.mqtt_host}:{running.mqtt_port}",
        "login": f"{facts.login}   password {facts.password}",
        "unit": unit,
        "try": f"curl {running.api_url}/units/{unit}",
        "your own": f"{Path(sys.argv[0])} serve",
        "stop": "Ctrl-C",
    }


def _remembered(folder: Path) -> DemoFacts:
    """The facts of the last demo, with ports that are free now. What is set by ``PU_HTTP_PORT``
    and ``PU_MQTT_PORT`` goes before what was; raises ``Invalid`` when that is no port."""
    known = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((folder / FACTS).read_text())

    def wanted(name: str, usual: int) -> int:
        chosen = os.environ.get(setting := f"PU_{name}".upper())
        try:
            return _free_port(port(chosen) if chosen else known.get(name, usual))
        except argparse.ArgumentTypeError as refusal:
            raise Invalid([(setting, str(refusal))], Topic.PLATFORM) from None

    return DemoFacts(
        login=known.get("login", LOGIN),
        password=known.get("password") or secrets.token_urlsafe(12),
        http_port=wanted("http_port", HTTP_PORT),
        mqtt_port=wanted("mqtt_port", MQTT_PORT),
        forge_port=wanted("forge_port", FORGE_PORT),
    )


def _remember(folder: Path, facts: DemoFacts) -> None:
    """For the next demo, once no other has the directory."""
    fresh = folder / f"{FACTS}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(facts), indent=2))
    fresh.replace(folder / FACTS)


def _free_port(wanted: int) -> int:
    """The wanted port when nobody listens there, else one that the system picks."""
    for tried in (wanted, 0):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, tried))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("network", f"no free port on {HOST}")

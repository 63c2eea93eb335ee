"""Every REST operation under generated requests: no 5xx, no answer the document does not promise.

``python -m tests.fuzz.rest --cases 100 --seed 7`` brings up the whole platform with the demo's
things in it and sends what Schemathesis makes of ``openapi.json``; it ends with 1 on a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from pepeunit.entrypoints.cli.demo_journey import Journey
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.narrator import Narrator
from pepeunit.entrypoints.cli.rest_client import rest_client
from tests.journeys.conftest import Served, free_port

LOGIN, PASSWORD = "owner", "Owner4711"
JOURNEY_SECONDS_MAX = 120.0
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


async def fuzz(cases: int, seed: int, options: list[str]) -> int:
    """The exit code of Schemathesis; its report goes to stdout."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        (folder / "forge").mkdir()
        forge = Forge(folder / "forge")
        await forge.start()
        served = Served(folder / "data", free_port(), free_port())
        served.settings = {
            "PU_DOMAIN": f"127.0.0.1:{served.http_port}",
            "PU_MQTT_HOST": "127.0.0.1",
            "PU_GIT_HOST_ALLOWLIST": forge.authority,
            "PU_LOGIN_TRIES_MAX": "1000000",
        }
        try:
            await asyncio.to_thread(served.start)
            async with asyncio.timeout(JOURNEY_SECONDS_MAX), rest_client(served.api_url) as api:
                tell = Narrator(io.StringIO())
                await Journey(forge, api, folder / "device", LOGIN, PASSWORD, tell).run()
            return await asyncio.to_thread(run, served.api_url, cases, seed, options)
        finally:
            await asyncio.to_thread(served.end, signal.SIGTERM)
            await forge.stop()


def run(api_url: str, cases: int, seed: int, options: list[str]) -> int:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{api_url}/openapi.json",
        f"--max-examples={cases}",
        f"--seed={seed}",
        f"--checks={','.join(CHECKS)}",
        "--phases=examples,coverage,fuzzing",
        "--warnings=off",
        "--continue-on-failure",
        "--suppress-health-check=all",
        *options,
    ]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "FUZZ_API_URL": api_url,
        "FUZZ_OWNER_LOGIN": LOGIN,
        "FUZZ_OWNER_PASSWORD": PASSWORD,
        "FUZZ_SEED": str(seed),
        "PYTHONPATH": ".",
    }
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="an operation")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen, rest = parser.parse_known_args()
    sys.exit(asyncio.run(fuzz(chosen.cases, chosen.seed, rest)))

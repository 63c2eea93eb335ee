"""The commands of the how-to pages, run in order against real parts."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.program import program_files
from tests.journeys.conftest import Served, environment

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
PAGES = ("register-a-repository.md", "make-a-device.md", "update-devices.md", "data.md")
PROGRAMS = ("bash", "curl", "jq", "mosquitto_pub", "mosquitto_sub")
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS_MAX = 60.0


def commands() -> str:
    pages = [(HOW_TO / name).read_text() for name in PAGES]
    return "\n".join(
        ["set -euo pipefail", *(block for page in pages for block in BLOCK.findall(page))]
    )


async def test_the_commands_of_the_how_to_pages_work_in_order(
    served: Served, tmp_path: Path
) -> None:
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(absent)}")
    forge = Forge(tmp_path / "forge")
    forge.folder.mkdir()
    await forge.start()
    try:
        await forge.create("demo/thermometer")
        commit = await forge.commit("demo/thermometer", program_files(1), "First", tag="v1")
        served.settings["PU_GIT_HOST_ALLOWLIST"] = forge.authority
        await asyncio.to_thread(served.start)
        url = forge.url("demo/thermometer")
        folder = tmp_path / "person"
        folder.mkdir()
        shell = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            commands(),
            cwd=folder,
            env=environment(API=served.api_url, REPOSITORY=url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(shell.communicate(), SECONDS_MAX)
    finally:
        await forge.stop()
    text = said.decode()
    assert shell.returncode == 0, text
    assert "temperature: 21.5" in text
    assert (folder / "heard").read_text() == "23.5\n"
    assert f'"current_commit_version": "{commit}"' in text
    assert '"firmware_update_status": "RequestSent"' in text

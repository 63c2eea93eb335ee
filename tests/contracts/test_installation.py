"""The folder that holds all state (issue 2 part 8; rulings 6)."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pepeunit.adapters.embedded.installation import KEY_NAMES, Installation
from pepeunit.domain.errors import Unavailable

HOLDER = """
import sys
from pathlib import Path
from pepeunit.adapters.embedded.installation import Installation
held = Installation.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_first_start_makes_private_folder_and_keys(tmp_path: Path) -> None:
    data = Installation.open(tmp_path / "deep" / "data")
    assert data.path.stat().st_mode & 0o777 == 0o700
    assert (data.path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert set(data.keys) == set(KEY_NAMES)
    assert {len(base64.b64decode(key)) for key in data.keys.values()} == {32}
    assert len(set(data.keys.values())) == len(KEY_NAMES)
    assert not any(key in repr(data) for key in data.keys.values())
    data.close()


def test_w49_keys_and_facts_stay_the_same(tmp_path: Path) -> None:
    first = Installation.open(tmp_path / "data")
    assert first.fix("PU_DOMAIN", "10.0.0.1:8555") == "10.0.0.1:8555"
    first.close()
    again = Installation.open(tmp_path / "data")
    assert again.keys == first.keys
    assert again.fix("PU_DOMAIN", "10.0.0.2:8555") == "10.0.0.1:8555"
    again.change("PU_DOMAIN", "iot.example")
    again.close()
    last = Installation.open(tmp_path / "data")
    assert last.facts == {"PU_DOMAIN": "iot.example"}
    last.close()


def test_a_held_folder_names_the_process_and_is_free_after_kill_9(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Unavailable, match=rf"used by process {holder.pid}\b"):
        Installation.open(tmp_path / "data")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    Installation.open(tmp_path / "data").close()


def test_the_lock_is_not_inherited_by_programs_we_start(tmp_path: Path) -> None:
    data = Installation.open(tmp_path / "data")
    sleeper = subprocess.Popen(["sleep", "60"], close_fds=False)
    data.close()
    Installation.open(tmp_path / "data").close()
    sleeper.kill()
    sleeper.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"PU_SECRET_KEY": 1}'])
def test_damaged_keys_are_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(Unavailable, match="restore it from a backup"):
        Installation.open(tmp_path)
    assert (tmp_path / "keys.json").read_text() == content


def test_lost_keys_of_a_used_folder_are_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(Unavailable, match=r"keys\.json is missing"):
        Installation.open(tmp_path)
    assert not (tmp_path / "keys.json").exists()


def test_a_half_written_file_of_a_crash_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "keys.json.new").write_text("{")
    data = Installation.open(tmp_path)
    assert set(data.keys) == set(KEY_NAMES)
    data.close()


def test_a_folder_others_can_write_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    with pytest.raises(Unavailable, match="chmod 700"):
        Installation.open(tmp_path / "data")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=f"{tmp_path / 'file'}"):
        Installation.open(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 65534, 65534)
    with pytest.raises(Unavailable, match="belongs to user 65534"):
        Installation.open(tmp_path / "data")


def test_a_command_may_look_while_a_server_holds_the_folder(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no installation"):
        Installation.look(tmp_path)
    held = Installation.open(tmp_path)
    held.change("PU_DOMAIN", "iot.example")
    seen = Installation.look(tmp_path)
    assert (seen.keys, seen.facts) == (held.keys, held.facts)
    seen.close()
    with pytest.raises(Unavailable, match="used by process"):
        Installation.open(tmp_path)
    held.close()

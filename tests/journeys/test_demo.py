"""``pepeunit demo --once``, as a person runs it (issue 2 part 9)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.journeys.conftest import PEPEUNIT, environment, pepeunit

STEPS = (
    "The platform starts",
    "tag v1",
    "signs up",
    "mirrored",
    "follows the newest tag",
    "A unit",
    "9-bit window",
    "the platform sees it online",
    "the device has it",
    "log entries of the device",
    "a new tag v2",
    "update to commit",
    "firmware_update_status is Success",
    "temperature/pepeunit = ",
    "Done in",
)


def working_below(folder: Path) -> list[str]:
    """Processes whose current directory lies in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append((entry / "cmdline").read_text())
            except OSError:
                continue
    return found


@contextlib.contextmanager
def masked(mask: int) -> Iterator[None]:
    """What new files may not have: 002 is what many shells begin with."""
    usual = os.umask(mask)
    yield
    os.umask(usual)


def test_the_demo_walks_every_step_and_can_be_repeated(tmp_path: Path) -> None:
    tmp_path /= "made by it"
    with masked(0o002):
        first = pepeunit("demo", "--once", "--data-dir", str(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert first.returncode == 0, first.stdout + first.stderr
    begun = 0
    for step in STEPS:
        begun = first.stdout.find(step, begun)
        assert begun >= 0, f"{step!r} is missing or out of order: {first.stdout}"
    assert working_below(tmp_path) == []
    again = pepeunit("demo", "--once", "--data-dir", str(tmp_path))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "a new tag v3" in again.stdout


def test_a_failed_step_ends_it_with_the_reason(tmp_path: Path) -> None:
    ended = pepeunit(
        "demo", "--once", "--data-dir", str(tmp_path), PU_AVAILABLE_TOPIC_SYMBOLS="abc"
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "the demo stopped: platform: POST /units answered 422" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert working_below(tmp_path) == []


def test_a_port_that_is_none_is_told(tmp_path: Path) -> None:
    for wrong in ("99999", "http"):
        ended = pepeunit("demo", "--once", "--data-dir", str(tmp_path), PU_HTTP_PORT=wrong)
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert f"PU_HTTP_PORT: '{wrong}' is not a port" in ended.stderr


def until_it_prints(text: str, data_dir: Path) -> tuple[subprocess.Popen[str], str]:
    """A started demo and its output so far."""
    process = subprocess.Popen(
        [*PEPEUNIT, "demo", "--data-dir", str(data_dir)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            break
    return process, printed


def seconds_until_nothing_works_below(folder: Path) -> float:
    began = time.monotonic()
    while found := working_below(folder):
        assert time.monotonic() - began < 10, found
        time.sleep(0.05)
    return time.monotonic() - began


def test_it_stays_up_for_a_person_until_ctrl_c(tmp_path: Path) -> None:
    process, printed = until_it_prints("Ctrl-C", tmp_path)
    assert any("main.py" in program for program in working_below(tmp_path)), "the device is gone"
    assert re.search(r"login +demo +password \S+", printed), printed
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 0
    assert seconds_until_nothing_works_below(tmp_path) < 1


def test_a_killed_demo_takes_device_and_database_along(tmp_path: Path) -> None:
    process, _ = until_it_prints("device | connected", tmp_path)
    assert any("main.py" in program for program in working_below(tmp_path))
    process.kill()
    process.communicate(timeout=5)
    assert seconds_until_nothing_works_below(tmp_path) < 5

"""``pepeunit demo --once``, as a person runs it (issue 2 part 9)."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.conftest import pepeunit

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


def test_the_demo_walks_every_step_and_can_be_repeated(tmp_path: Path) -> None:
    first = pepeunit("demo", "--once", "--data-dir", str(tmp_path))
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

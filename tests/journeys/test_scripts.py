"""The scripts on machines that lack something."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
TOOLS = ("sh", "dirname", "cksum", "cat", "rm", "git")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the scripts, and ``bin`` as the whole machine: no Python in it."""
    folder = tmp_path / "clone"
    shutil.copytree(SCRIPTS, folder / "scripts")
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / "bin" / tool).symlink_to(found)
    return folder


def program(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def venv(clone: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / "scripts" / "venv", "embedded"],
        env={"PATH": str(clone / "bin")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_without_a_new_enough_python_it_says_what_to_do(clone: Path) -> None:
    program(clone / "bin" / "python3", "exit 1")
    ended = venv(clone)
    assert ended.returncode == 1
    assert "Python 3.11 or later" in ended.stderr
    assert "PYTHON=" in ended.stderr


def test_without_git_it_says_what_to_do(clone: Path) -> None:
    (clone / "bin" / "git").unlink()
    assert "git" in venv(clone).stderr


def test_a_failed_installation_is_not_taken_for_a_good_one(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    program(python, 'case "$*" in *install*) exit 1;; *) exit 0;; esac')
    assert venv(clone).returncode == 1
    assert venv(clone).returncode == 1


def test_nothing_is_installed_again_until_the_project_changes(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    program(python, 'case "$*" in *install*) echo x >>installed;; esac')
    for _ in range(2):
        assert venv(clone).returncode == 0
    assert (clone / "installed").read_text() == "x\n"
    (clone / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert venv(clone).returncode == 0
    assert (clone / "installed").read_text() == "x\nx\n"

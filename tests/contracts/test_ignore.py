"""``.pepeignore`` against git's own reading of the same rules (spec devices.md 10)."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from pepeunit.codecs.ignore import PATTERNS_MAX, read_ignore
from pepeunit.domain.errors import OverLimit

PATHS = (
    "a",
    "ab.py",
    "b/a",
    "b/ab.py",
    "b/c/a",
    "b/c/d/ab.py",
    "b/c/d/x y",
    "build/out.bin",
    "build/keep.txt",
    "docs/a/build/x",
    "docs/[z]",
    "docs/#hash",
    "docs/!bang",
    "docs/tail ",
    "docs/A1-b",
    "é/ё",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def kept_by_git(tree: Path, text: bytes) -> list[str]:
    rules = tree / ".git" / "rules"
    rules.write_bytes(text)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "-z", f"--exclude-from={rules}"],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    return sorted(path.decode() for path in listed.stdout.split(b"\0") if path)


def kept_by_us(text: bytes) -> list[str]:
    ignore = read_ignore(text)
    return sorted(path for path in PATHS if not ignore.removes(path))


LINES = (
    "a",
    "/a",
    "a/",
    "b/",
    "!b/",
    "*",
    "!*/",
    "!*.py",
    "*.py",
    "b/*",
    "!b/c",
    "!b/c/",
    "**/d",
    "b/**",
    "b/**/ab.py",
    "**/c/**",
    "/**/a",
    "**",
    "build",
    "!build/keep.txt",
    "build/*",
    "docs/\\[z]",
    "docs/[[]z]",
    "\\#hash",
    "#hash",
    "\\!bang",
    "tail ",
    "tail\\ ",
    "[[:upper:]][0-9]?[!a]",
    "[^a-c]",
    "[]-]",
    "[a",
    "docs//a",
    "/",
    "!",
    "",
    "x\\",
    "x?y",
    "*a*b*.p?",
    "ё",
    "?",
    "b/c/*/ab.py",
    "b*",
    "**a",
    "[[:nope:]]",
    "[b-a]",
    "[!b-a]",
)


@given(st.lists(st.sampled_from(LINES), max_size=5).map("\n".join))
@example("build\n!build/keep.txt")
@example("*\n!*/\n!*.py")
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_paths_are_kept_as_by_git(tree: Path, text: str) -> None:
    assert kept_by_us(text.encode()) == kept_by_git(tree, text.encode())


@given(st.text(alphabet="ab/*?[]!\\-^ .c\n", max_size=14))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_keeps_the_same_paths_as_git(tree: Path, text: str) -> None:
    # git matches "b**/a" at any depth, against its own documentation; "[/]" see there.
    assume(not re.search(r"[^/\n]\*\*|\[[^\n\]]*\]?[^\n\]]*/", text))
    assert kept_by_us(text.encode()) == kept_by_git(tree, text.encode())


@pytest.mark.usefixtures("collector_off")
def test_w17_no_pattern_stalls_the_matcher() -> None:
    hostile = b"\n".join([b"*a" * 200 + b"b", b"**/a/" * 60 + b"b", b"[a]*" * 200 + b"b"])
    ignore = read_ignore(hostile)
    started = time.process_time()
    assert not ignore.removes("a" * 250)
    assert not ignore.removes("/".join("a" * 200))
    assert time.process_time() - started < 2


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(OverLimit):
        read_ignore(b"a\n" * (PATTERNS_MAX + 1))

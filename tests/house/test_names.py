"""The house rules that a reader can check: names, sizes, docstrings, paths (design 2 and 6)."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/pepeunit"
LINES_MAX = 300

BANNED = frozenset(
    {"util", "utils", "helper", "helpers", "common", "base", "core", "manager", "managers"}
    | {"service", "services", "handler", "handlers", "processor", "processors"}
    | {"data", "info", "impl", "misc"}
)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
BANNED_CLASS = re.compile(r"_*(Abstract[A-Z]|I(?!Pv)[A-Z][a-z])")

WORKPLACE = re.compile(r"(?<![\w.~<>{}-])/(?:wor[k]|hom[e]|User[s]|roo[t])/")
TEXT_BYTES_MAX = 2**20


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def words(name: str) -> set[str]:
    return {word.lower() for word in WORD.findall(name)}


def is_banned_class(name: str) -> bool:
    return bool(words(name) & BANNED) or BANNED_CLASS.match(name) is not None


def class_names(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            yield node.name


@pytest.mark.parametrize(
    ("name", "banned"),
    [
        ("UnitManager", True),
        ("HTTPHandler", True),
        ("AbstractUnit", True),
        ("IUnits", True),
        ("_BaseTopicImpl", True),
        ("Ingest", False),
        ("Invalid", False),
        ("MemoryDatabase", False),
        ("IPv6", False),
    ],
)
def test_the_rule_knows_bad_names_from_good_ones(name: str, banned: bool) -> None:
    assert is_banned_class(name) is banned


# The field's own terms: a base topic is the contract's word (devices.md 7).
FIELD_TERMS = frozenset({"BaseTopic", "BaseDirection"})


def test_no_module_or_class_has_a_name_that_says_nothing() -> None:
    found = []
    for path in modules():
        inside = path.relative_to(SOURCE)
        if inside.parts[0] == "codecs":
            continue
        found += [f"{inside}" for part in inside.with_suffix("").parts if words(part) & BANNED]
        found += [
            f"{inside}: {name}"
            for name in class_names(path)
            if name not in FIELD_TERMS and is_banned_class(name)
        ]
    assert not found


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in modules()}
    assert not {path: size for path, size in sizes.items() if size > LINES_MAX}


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_no_tracked_file_names_somebodys_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.stat().st_size > TEXT_BYTES_MAX:
            continue
        text = path.read_bytes().decode(errors="replace")
        found += [f"{name}: {hit.group()}" for hit in WORKPLACE.finditer(text)]
    assert not found

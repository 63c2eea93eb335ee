"""What the documentation points at is there: files, headings, functions, settings, routes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from pepeunit.domain.units.env import RESERVED_KEYS
from pepeunit.entrypoints.openapi_page import openapi_page
from pepeunit.entrypoints.settings import OTHER_NAMES, WITHOUT_USE, known_settings
from tests.house import faults

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]

LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
SYMBOL = re.compile(r"`([\w./]+\.py):(\w+(?:\.\w+)?)`")
SOURCE_ROOTS = (ROOT, ROOT / "src" / "pepeunit")
SETTING = re.compile(r"\bPU_[A-Z][A-Z0-9_]*[A-Z0-9]\b")
ROUTE = re.compile(r"`(GET|POST|PATCH|DELETE) (/[^`?]*)[^`]*`")
SCRIPT = re.compile(r"\b(scripts/[a-z]+)\b")
MAKE = re.compile(r"`make ([a-z]+)`")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def each_page(function: object) -> object:
    return pytest.mark.parametrize("page", PAGES, ids=IDS)(function)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@cache
def symbols(path: Path) -> frozenset[str]:
    """Names defined in a module, members of its classes with a dot."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        for name in _names(node):
            found.add(name)
            if isinstance(node, ast.ClassDef):
                found |= {f"{name}.{inner}" for each in node.body for inner in _names(each)}
    return frozenset(found)


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (one.id for one in targets if isinstance(one, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def source(name: str) -> Path | None:
    return next((root / name for root in SOURCE_ROOTS if (root / name).is_file()), None)


@each_page
def test_every_relative_link_leads_to_a_file_or_heading(page: Path) -> None:
    wrong = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        missing = not target.exists() or not target.is_relative_to(ROOT)
        if missing or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@each_page
def test_every_named_function_exists(page: Path) -> None:
    wrong = []
    for name, symbol in SYMBOL.findall(page.read_text()):
        path = source(name)
        if path is None or symbol not in symbols(path):
            wrong.append(f"{name}:{symbol}")
    assert wrong == []


@each_page
def test_every_named_setting_exists(page: Path) -> None:
    known = {one.name for one in known_settings()} | {*OTHER_NAMES, *WITHOUT_USE, *RESERVED_KEYS}
    assert sorted(set(SETTING.findall(page.read_text())) - known) == []


@each_page
def test_every_named_route_exists(page: Path) -> None:
    paths = json.loads(openapi_page())["paths"]
    known = {
        (method.upper(), re.sub(r"{\w+}", "{}", path.removeprefix("/pepeunit/api/v1")).rstrip("/"))
        for path, operations in paths.items()
        for method in operations
    }
    wrong = [
        f"{method} {path}"
        for method, path in ROUTE.findall(page.read_text())
        if (method, re.sub(r"{\w+}", "{}", path).rstrip("/")) not in known
    ]
    assert wrong == []


@each_page
def test_every_named_script_and_target_exists(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(set(MAKE.findall(text)) - set(targets)) == []
    assert [one for one in set(SCRIPT.findall(text)) if not (ROOT / one).is_file()] == []


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
    pages = {page for page in PAGES if page != index and page.is_relative_to(ROOT / "docs")}
    assert sorted(page.name for page in pages - linked) == []


def test_the_openapi_document_is_written_without_starting_anything() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pepeunit.entrypoints.openapi_page"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    document = json.loads(ended.stdout)
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert "/pepeunit/api/v1/units/{uuid}" in document["paths"]


def test_the_table_of_faults_is_up_to_date() -> None:
    assert faults.PAGE.read_text() == faults.page_with(faults.table()), "run: scripts/security"
    assert set(faults.all_closed()) <= set(faults.FAULTS), "name them in fault_texts.py"


def test_ranges_of_faults_are_read_as_each_of_them() -> None:
    assert faults.faults_in("O30-O32 and W15-17; C5") == {
        *("O30", "O31", "O32"),
        *("W15", "W16", "W17"),
        "C5",
    }

"""The table of faults in ``docs/security.md``: which test closes which, read off the tests.

A test names a fault in its own name (``test_w16_a_token_is_in_no_url``), its docstring or a text
inside it; a module's docstring names what the whole module is about and counts where no single
test says it. Run ``scripts/security`` after adding such a test.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.house.fault_texts import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"
SERIES = {
    "W": "Weaknesses of access",
    "C": "Clashes between what was written and what was done",
    "O": "Observed faults of a device's life",
    "B": "Faults of pipes and their buffers",
}

_IN_NAMES = re.compile(r"(?<=_)([wocb])([0-9]{1,2})(?=_)")
_IN_TEXTS = re.compile(r"\b([WOCB])([0-9]{1,2})\b(?:-\1?([0-9]{1,2})\b)?")


def faults_in(text: str) -> set[str]:
    """``O30-O32`` names three."""
    found = set()
    for series, first, last in _IN_TEXTS.findall(text):
        found |= {f"{series}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def closed_by(path: Path) -> dict[str, list[str]]:
    """Fault number to the tests of one module, a module's own name where no test says it."""
    module = ast.parse(path.read_text())
    name = path.relative_to(ROOT).as_posix()
    found: dict[str, list[str]] = {}
    for test in _tests(module):
        numbers = {f"{s.upper()}{n}" for s, n in _IN_NAMES.findall(test.name)}
        numbers |= faults_in("\n".join(_texts(test)))
        for number in numbers:
            found.setdefault(number, []).append(f"{name}:{test.name}")
    for number in faults_in("\n".join(_texts(module))):
        found.setdefault(number, [name])
    return found


def _tests(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.name.startswith("test_"):
            yield node


def _texts(within: ast.AST) -> Iterator[str]:
    for node in ast.walk(within):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def all_closed() -> dict[str, list[str]]:
    """Every fault that some test names."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.parent.name != "house":
            for number, tests in closed_by(path).items():
                found.setdefault(number, []).extend(tests)
    return found


def table() -> str:
    """The generated part of the page."""
    closed = all_closed()
    parts = []
    for series, title in SERIES.items():
        numbers = sorted((n for n in closed if n[0] == series), key=lambda n: int(n[1:]))
        rows = [f"| {n} | {FAULTS.get(n, '')} | {_cell(closed[n])} |\n" for n in numbers]
        head = "| fault | what was wrong | closed by |\n|---|---|---|\n"
        parts.append(f"### {title} ({series})\n\n{head}{''.join(rows)}")
    return "\n".join(parts)


def _cell(tests: list[str]) -> str:
    return "<br>".join(f"[`{one}`](../{one.partition(':')[0]})" for one in tests)


def page_with(found: str) -> str:
    """The page with the table between its marks."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{found}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page_with(table()))
    missing = sorted(set(all_closed()) - set(FAULTS))
    if missing:
        sys.exit(f"say what these are in tests/house/fault_texts.py: {', '.join(missing)}")

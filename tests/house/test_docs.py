"""The documentation's code runs, and the domain needs nothing but attrs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY_PAGE = ROOT / "docs/how-to/use-as-a-library.md"
CODE_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS_MAX = 60

ATTRS_ALONE = """
import sys

class AttrsAlone:
    allowed = {"attr", "attrs", *sys.stdlib_module_names}
    ours = ("pepeunit", "pepeunit.domain")

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in self.allowed or name in self.ours or name.startswith("pepeunit.domain."):
            return None
        raise ImportError(f"{name} is neither attrs nor the standard library")

sys.meta_path.insert(0, AttrsAlone())
"""

IMPORT_THE_DOMAIN = """
import importlib
import pkgutil

import pepeunit.domain

found = pkgutil.walk_packages(pepeunit.domain.__path__, "pepeunit.domain.")
names = [module.name for module in found]
assert len(names) > 20, names
for name in names:
    importlib.import_module(name)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )


def blocks(page: Path) -> str:
    return "\n".join(CODE_BLOCK.findall(page.read_text()))


PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_each_page_runs(page: Path) -> None:
    ended = run(blocks(page))
    assert ended.returncode == 0, ended.stderr


def test_the_library_page_needs_nothing_but_attrs() -> None:
    ended = run(ATTRS_ALONE + blocks(LIBRARY_PAGE))
    assert ended.returncode == 0, ended.stderr
    assert '"led/pepeunit"' in ended.stdout


def test_the_whole_domain_imports_with_nothing_but_attrs() -> None:
    ended = run(ATTRS_ALONE + IMPORT_THE_DOMAIN)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("module", ["cattrs", "pepeunit.ports", "pepeunit.codecs.samples"])
def test_everything_else_is_really_hidden(module: str) -> None:
    ended = run(f"{ATTRS_ALONE}\nimport {module}")
    assert ended.returncode != 0
    assert "neither attrs nor the standard library" in ended.stderr


@pytest.mark.parametrize("layer", ["domain", "usecases", "codecs", "adapters"])
def test_the_map_names_every_room(layer: str) -> None:
    """Of adapters in the picture, of the others in the table."""
    lines = (ROOT / "docs/architecture.md").read_text().splitlines()
    (line,) = [one for one in lines if f"[{layer}](" in one]
    if layer == "adapters":
        (line,) = [one for one in lines if f'{layer}["{layer}: ' in one]
    folders = (ROOT / "src/pepeunit" / layer).glob("*/__init__.py")
    rooms = {folder.parent.name for folder in folders}
    assert rooms
    assert rooms <= set(re.findall(r"\w+", line))

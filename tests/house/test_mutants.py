"""``make mutants`` takes half an hour: what it needs is looked at with every change."""

from __future__ import annotations

import ast
import re

import pytest

from tests.mutants.__main__ import FILE, ROOT, SOURCES, Mutant, read_mutants


@pytest.mark.parametrize("mutant", read_mutants(), ids=lambda mutant: mutant.rule)
def test_each_patch_fits_one_place_and_a_test_bears_its_number(mutant: Mutant) -> None:
    whole = (SOURCES / "pepeunit" / mutant.file).read_text()
    assert whole.count(mutant.find) == 1
    ast.parse(whole.replace(mutant.find, mutant.replace))
    tests = "".join((ROOT / file).read_text() for file in mutant.tests)
    assert re.search(rf"def test\w*{re.escape(mutant.mark)}", tests)


def test_no_file_is_named_twice() -> None:
    named = re.findall(r"^(\S+):$", FILE.read_text(), re.MULTILINE)
    assert len(named) == len(set(named))  # the reader of YAML would keep the last one alone

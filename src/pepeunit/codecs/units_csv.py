"""Units as CSV: a header line with the names of columns, then one unit a row.

``name``, ``visibility_level`` and ``repo_uuid`` are needed; ``is_auto_update_from_repo_unit``
(true), ``target_firmware_platform``, ``repo_branch`` and ``repo_commit`` may be left out or empty.
UTF-8, comma-separated, quoted as RFC 4180 has it. Rows count from 1, the header is row 1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.ids import RepoId
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.batch import UNITS_MAX, UnitDraft, Violation

NEEDED: Final = ("name", "visibility_level", "repo_uuid")
OPTIONAL: Final = (
    "is_auto_update_from_repo_unit",
    "target_firmware_platform",
    "repo_branch",
    "repo_commit",
)
_FLAGS: Final = {"": True, "true": True, "1": True, "false": False, "0": False}


def read_units_csv(content: bytes) -> tuple[list[UnitDraft], list[Violation]]:
    """The rows that could be read, and what is wrong with the others: ``row 3, repo_uuid``.

    Raises ``Invalid`` (topic unit) for a file without these columns, ``OverLimit`` for more than
    UNITS_MAX rows.
    """
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        table = [(lines.line_num, row) for row in lines]
    except UnicodeDecodeError as error:
        raise Invalid(f"byte {error.start} is not UTF-8", Topic.UNIT) from None
    except csv.Error:
        raise Invalid("the file is not CSV", Topic.UNIT) from None
    head = [name.strip() for name in table[0][1]] if table else []
    _check_columns(head)
    rows = [(number, row) for number, (_, row) in enumerate(table[1:], start=2) if any(row)]
    if len(rows) > UNITS_MAX:
        raise OverLimit(
            f"the file has {len(rows)} rows, at most {UNITS_MAX} are allowed",
            Topic.UNIT,
            limit=UNITS_MAX,
            actual=len(rows),
        )
    drafts: list[UnitDraft] = []
    violations: list[Violation] = []
    for number, row in rows:
        place = f"row {number}"
        if len(row) != len(head):
            violations.append((place, f"has {len(row)} values for {len(head)} columns"))
            continue
        draft = _draft(place, dict(zip(head, map(str.strip, row), strict=True)), violations)
        if draft is not None:
            drafts.append(draft)
    return drafts, violations


def _check_columns(head: list[str]) -> None:
    violations = [(name, "the column is missing") for name in NEEDED if name not in head]
    for name in dict.fromkeys(head):
        if name not in (*NEEDED, *OPTIONAL):
            violations.append((name, "the column is unknown"))
        elif head.count(name) > 1:
            violations.append((name, "the column is there twice"))
    if violations:
        raise Invalid(violations, Topic.UNIT)


def _draft(place: str, row: Mapping[str, str], violations: list[Violation]) -> UnitDraft | None:
    before = len(violations)
    flag = _FLAGS.get(row.get("is_auto_update_from_repo_unit", "").lower())
    if flag is None:
        violations.append((f"{place}, is_auto_update_from_repo_unit", "must be true or false"))
    levels = {level.value: level for level in Visibility}
    level = levels.get(row["visibility_level"])
    if level is None:
        violations.append((f"{place}, visibility_level", f"must be one of {', '.join(levels)}"))
    repo = None
    try:
        repo = RepoId(UUID(row["repo_uuid"]))
    except ValueError:
        violations.append((f"{place}, repo_uuid", "must be a UUID"))
    violations += [
        (f"{place}, {name}", "may not contain the character NUL")
        for name, text in row.items()
        if "\0" in text
    ]
    if flag is None or level is None or repo is None or len(violations) > before:
        return None
    commit = row.get("repo_commit")
    return UnitDraft(
        place=place,
        name=row["name"],
        visibility_level=level,
        repo_uuid=repo,
        is_auto_update_from_repo_unit=flag,
        target_firmware_platform=row.get("target_firmware_platform") or None,
        repo_branch=row.get("repo_branch") or None,
        repo_commit=Sha(commit) if commit else None,
    )

"""The JSON file that carries units from one place to another (docs/wire/export.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from attrs import define, field

from pepeunit.codecs.text import is_storable
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.ids import RepoId
from pepeunit.domain.nodes.node import NodeType
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.batch import (
    EDGES_MAX,
    UNITS_MAX,
    Batch,
    EdgeDraft,
    NodeDraft,
    NodeName,
    UnitDraft,
    Violation,
)

FORMAT: Final = "pepeunit-units"
VERSION: Final = 1
T = TypeVar("T")


def write_export(batch: Batch) -> bytes:
    """The file; nothing secret is in a batch."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "units": [_unit_document(unit) for unit in batch.units],
        "edges": [
            {
                side: {"unit": name.unit, "topic_name": name.topic_name}
                for side, name in (("output", edge.output), ("input", edge.input))
            }
            for edge in batch.edges
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def _unit_document(unit: UnitDraft) -> dict[str, Any]:
    return {
        "name": unit.name,
        "visibility_level": unit.visibility_level.value,
        "repo_uuid": str(unit.repo_uuid),
        "is_auto_update_from_repo_unit": unit.is_auto_update_from_repo_unit,
        "target_firmware_platform": unit.target_firmware_platform,
        "repo_branch": unit.repo_branch,
        "repo_commit": unit.repo_commit,
        "nodes": [
            {
                "type": node.type.value,
                "topic_name": node.topic_name,
                "visibility_level": node.visibility_level.value,
                "is_rewritable_input": node.is_rewritable_input,
                "max_connections": node.max_connections,
                "is_data_pipe_active": node.is_data_pipe_active,
                "data_pipe_yml": node.data_pipe_yml,
            }
            for node in unit.nodes
        ],
    }


def read_export(content: bytes) -> Batch:
    """What the file describes. Unknown names are ignored.

    Raises ``Invalid``: topic json when it is no JSON, topic unit with every value of the wrong
    form; ``OverLimit`` for more than UNITS_MAX units or EDGES_MAX edges.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Invalid("the file is not JSON", Topic.JSON) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Invalid([("format", f"must be {FORMAT!r}")], Topic.UNIT)
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        raise Invalid([("version", f"must be {VERSION}")], Topic.UNIT)
    reading = _Reading()
    units = reading.rows(document, "units", "", UNITS_MAX, reading.unit)
    edges = reading.rows(document, "edges", "", EDGES_MAX, reading.edge)
    if reading.violations:
        raise Invalid(reading.violations, Topic.UNIT)
    return Batch(tuple(units), tuple(edges))


@define
class _Reading:
    """Collects what is wrong; a value of the wrong form is replaced so that reading goes on."""

    violations: list[Violation] = field(factory=list)

    def rows(
        self,
        row: Mapping[str, Any],
        name: str,
        place: str,
        most: int,
        read: Callable[[Mapping[str, Any], str], T],
    ) -> list[T]:
        path = f"{place}.{name}" if place else name
        given = row.get(name, [])
        if not isinstance(given, list):
            self.violations.append((path, "must be a list"))
            return []
        if len(given) > most:
            raise OverLimit(
                f"{path} has {len(given)} entries, at most {most} are allowed",
                Topic.UNIT,
                limit=most,
                actual=len(given),
            )
        found = []
        for index, entry in enumerate(given):
            at = f"{path}[{index}]"
            if isinstance(entry, dict):
                found.append(read(entry, at))
            else:
                self.violations.append((at, "must be an object"))
        return found

    def unit(self, row: Mapping[str, Any], place: str) -> UnitDraft:
        text = self.text(row, "repo_uuid", place) or ""
        try:
            repo = RepoId(UUID(text))
        except ValueError:
            self.violations.append((f"{place}.repo_uuid", "must be a UUID"))
            repo = RepoId(UUID(int=0))
        commit = self.text(row, "repo_commit", place, needed=False)
        return UnitDraft(
            place=place,
            name=self.text(row, "name", place) or "",
            visibility_level=self.member(row, "visibility_level", place, Visibility),
            repo_uuid=repo,
            is_auto_update_from_repo_unit=self.value(
                row, "is_auto_update_from_repo_unit", place, bool, True
            ),
            target_firmware_platform=self.text(
                row, "target_firmware_platform", place, needed=False
            ),
            repo_branch=self.text(row, "repo_branch", place, needed=False),
            repo_commit=None if commit is None else Sha(commit),
            nodes=tuple(self.rows(row, "nodes", place, EDGES_MAX, self.node)),
        )

    def node(self, row: Mapping[str, Any], place: str) -> NodeDraft:
        return NodeDraft(
            type=self.member(row, "type", place, NodeType),
            topic_name=self.text(row, "topic_name", place) or "",
            visibility_level=self.member(row, "visibility_level", place, Visibility),
            is_rewritable_input=self.value(row, "is_rewritable_input", place, bool, False),
            max_connections=self.value(row, "max_connections", place, int, 10),
            is_data_pipe_active=self.value(row, "is_data_pipe_active", place, bool, False),
            data_pipe_yml=self.text(row, "data_pipe_yml", place, needed=False),
        )

    def edge(self, row: Mapping[str, Any], place: str) -> EdgeDraft:
        def end(side: str) -> NodeName:
            given = row.get(side)
            if not isinstance(given, dict):
                self.violations.append((f"{place}.{side}", "must be an object"))
                return NodeName("", "")
            at = f"{place}.{side}"
            return NodeName(
                self.text(given, "unit", at) or "", self.text(given, "topic_name", at) or ""
            )

        return EdgeDraft(place, end("output"), end("input"))

    def text(
        self, row: Mapping[str, Any], name: str, place: str, *, needed: bool = True
    ) -> str | None:
        given = row.get(name)
        if given is None and not needed:
            return None
        if isinstance(given, str) and is_storable(given):
            return given
        self.violations.append((f"{place}.{name}", "must be a text"))
        return None

    def value(self, row: Mapping[str, Any], name: str, place: str, kind: type[T], default: T) -> T:
        given = row.get(name, default)
        if isinstance(given, kind) and isinstance(given, bool) == (kind is bool):
            return given
        word = "true or false" if kind is bool else "a whole number"
        self.violations.append((f"{place}.{name}", f"must be {word}"))
        return default

    def member(self, row: Mapping[str, Any], name: str, place: str, kind: Any) -> Any:
        members: Sequence[Any] = list(kind)
        for member in members:
            if row.get(name) == member.value:
                return member
        known = ", ".join(member.value for member in members)
        self.violations.append((f"{place}.{name}", f"must be one of {known}"))
        return members[0]

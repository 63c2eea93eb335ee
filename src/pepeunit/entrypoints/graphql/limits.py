"""What a request may cost before anything of it runs (docs/decisions/0105)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import define, field, frozen
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from pepeunit.domain.errors import Invalid, OverLimit
from pepeunit.usecases.access.turns import TURN_SECONDS_MAX

KIB: Final = 1024
MIB: Final = 1024 * KIB
JSON_BYTES_MAX: Final = 8 * MIB
NUL_IN_DOCUMENT: Final = re.compile(r"\\u(0000|\{0+\})")
ONCE: Final = "getToken"
"""At most one in a document (rulings 15): more would be guesses past the throttle."""


@frozen
class Limits:
    """A user interface sends one root field of at most 200 fields, 5 levels deep, in 2 KiB.

    Bodies: ``anonymous_bytes_max`` for callers without a valid token, ``json_bytes_max`` for a
    JSON body or the JSON parts of an upload, ``file_bytes_max`` for a file of one, which as a whole
    may have ``form_bytes`` more. JSON above ``anonymous_bytes_max`` is read ``large_bodies_max`` at
    a time, each within ``body_seconds_max``; forms, which lie on disk, ``uploads_max`` at a time,
    each within ``upload_seconds_max``. Of these one account has half, and who waits for a turn is
    refused after ``turn_seconds_max``.
    Documents: ``fields_max`` counts fields and spreads with every fragment put in, and
    ``repeats_max`` the same name in one selection, since merging compares each pair.
    ``unlimited_lists_max`` counts lists without ``limit`` in one request, ``variable_values_max``
    the values inside all variables.
    Of the documents asked before, the last ``documents_max`` are kept while they have
    ``documents_chars_max`` characters together.
    """

    anonymous_bytes_max: int = 64 * KIB
    json_bytes_max: int = JSON_BYTES_MAX
    file_bytes_max: int = 64 * MIB
    form_bytes: int = 64 * KIB
    body_seconds_max: float = 120.0
    large_bodies_max: int = 4
    upload_seconds_max: float = 900.0
    uploads_max: int = 4
    turn_seconds_max: float = TURN_SECONDS_MAX
    parts_max: int = 8
    memory_bytes_max: int = MIB
    document_chars_max: int = 64 * KIB
    tokens_max: int = 5000
    depth_max: int = 20
    fields_max: int = 2000
    root_fields_max: int = 20
    aliases_max: int = 100
    repeats_max: int = 20
    fragments_max: int = 100
    variable_values_max: int = 20_000
    unlimited_lists_max: int = 4
    errors_max: int = 20
    page_rows_max: int = 500
    documents_max: int = 512
    documents_chars_max: int = 512 * KIB

    @property
    def upload_bytes_max(self) -> int:
        return self.file_bytes_max + self.form_bytes


def _over(what: str, limit: int, actual: int) -> OverLimit:
    return OverLimit(f"more than {limit} {what}", limit=limit, actual=actual)


def check_text(text: str, limits: Limits) -> None:
    """Raises ``OverLimit`` before parsing, ``Invalid`` for a text that no store takes."""
    if len(text) > limits.document_chars_max:
        raise _over("characters in a document", limits.document_chars_max, len(text))
    if NUL_IN_DOCUMENT.search(text):
        raise Invalid("a document should not contain the character NUL")


@define
class _Walk:
    """Merges selections as execution does, with every fragment put in, within a budget."""

    limits: Limits
    fragments: Mapping[str, FragmentDefinitionNode]
    fields: int = 0

    def visit(self, sets: Iterable[SelectionSetNode], depth: int) -> None:
        if depth > self.limits.depth_max:
            raise _over("levels in a document", self.limits.depth_max, depth)
        groups = self._groups(sets)
        if depth == 1 and len(groups) > self.limits.root_fields_max:
            raise _over("fields at the root", self.limits.root_fields_max, len(groups))
        for nodes in groups.values():
            if len(nodes) > self.limits.repeats_max:
                raise _over("repeats of a field", self.limits.repeats_max, len(nodes))
            below = [node.selection_set for node in nodes if node.selection_set is not None]
            if below:
                self.visit(below, depth + 1)

    def _groups(self, sets: Iterable[SelectionSetNode]) -> Mapping[str, list[FieldNode]]:
        groups: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        waiting = list(sets)
        while waiting:
            for node in waiting.pop().selections:
                self.fields += 1
                if self.fields > self.limits.fields_max:
                    raise _over("fields in a document", self.limits.fields_max, self.fields)
                if isinstance(node, FieldNode):
                    groups.setdefault((node.alias or node.name).value, []).append(node)
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode):
                    name = node.name.value
                    if name not in spread and name in self.fragments:
                        spread.add(name)
                        waiting.append(self.fragments[name].selection_set)
        return groups


@define
class _Census:
    """What counts wherever it stands."""

    aliases: int = 0
    once: int = 0
    has_conditions: bool = False
    waiting: list[SelectionSetNode] = field(factory=list)

    def count(self) -> None:
        while self.waiting:
            for node in self.waiting.pop().selections:
                if isinstance(node, FieldNode):
                    self.aliases += node.alias is not None
                    self.once += node.name.value == ONCE
                self.has_conditions |= bool(node.directives)
                below = getattr(node, "selection_set", None)
                if below is not None:
                    self.waiting.append(below)


@frozen
class Measured:
    """``has_conditions``: what is selected depends on variables; ``signs_in``: ``getToken``."""

    has_conditions: bool
    signs_in: bool


def measure(document: DocumentNode, limits: Limits) -> Measured:
    """Raises ``OverLimit``; before validation, some of whose rules take quadratic time."""
    parts = document.definitions
    found = [one for one in parts if isinstance(one, FragmentDefinitionNode)]
    if len(found) > limits.fragments_max:
        raise _over("fragments in a document", limits.fragments_max, len(found))
    selecting = [
        one for one in parts if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    census = _Census(waiting=[one.selection_set for one in selecting])
    census.count()
    if census.aliases > limits.aliases_max:
        raise _over("aliases in a document", limits.aliases_max, census.aliases)
    if census.once > 1:
        raise _over(f"{ONCE} in a document", 1, census.once)
    walk = _Walk(limits, {one.name.value: one for one in found})
    for one in selecting:
        walk.visit([one.selection_set], 1)
    return Measured(census.has_conditions, census.once > 0)


def check_variables(variables: Mapping[str, Any], limits: Limits) -> None:
    """Raises ``OverLimit`` for too many values, ``Invalid`` for a text that no store takes."""
    count = 0
    waiting: list[Any] = [variables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            count += len(value)
            waiting.extend(value)
        elif isinstance(value, str) and "\0" in value:
            raise Invalid("a text should not contain the character NUL")
        if count > limits.variable_values_max:
            raise _over("values in variables", limits.variable_values_max, count)

"""Documents parsed, measured and validated once, and kept by their text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field, frozen
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)

from pepeunit.entrypoints.graphql.limits import Limits, Measured, check_text, measure

Plan = Callable[[Any], Any]
"""Writes the value of one root field; see :mod:`pepeunit.entrypoints.graphql.plans`."""


class Broken(Exception):
    """The document does not parse or does not fit the schema."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = tuple(errors)


@frozen(eq=False)
class Document:
    """``plans`` by operation and response name; only what depends on no variable is in them."""

    syntax: DocumentNode
    measured: Measured
    plans: dict[tuple[int, str], Plan] = field(factory=dict)

    def kind(self, operation_name: str | None) -> OperationType | None:
        """Of the operation that would run; None where there is no such one."""
        kinds = [
            one.operation
            for one in self.syntax.definitions
            if isinstance(one, OperationDefinitionNode)
            and (operation_name is None or (one.name and one.name.value == operation_name))
        ]
        return kinds[0] if len(kinds) == 1 else None


@define
class Documents:
    """The last ones asked; a document that is refused is not kept."""

    schema: GraphQLSchema
    limits: Limits
    kept: OrderedDict[str, Document] = field(factory=OrderedDict)
    chars: int = 0

    def get(self, text: str) -> Document:
        """Raises :class:`Broken`, or a refusal of :mod:`pepeunit.entrypoints.graphql.limits`."""
        found = self.kept.get(text)
        if found is not None:
            self.kept.move_to_end(text)
            return found
        found = self._read(text)
        self.kept[text] = found
        self.chars += len(text)
        while len(self.kept) > self.limits.documents_max or (
            self.chars > self.limits.documents_chars_max
        ):
            dropped, _ = self.kept.popitem(last=False)
            self.chars -= len(dropped)
        return found

    def _read(self, text: str) -> Document:
        check_text(text, self.limits)
        try:
            syntax = parse(text, max_tokens=self.limits.tokens_max)
        except GraphQLError as error:
            raise Broken([error]) from None
        measured = measure(syntax, self.limits)
        errors = validate(self.schema, syntax, max_errors=self.limits.errors_max)
        if errors:
            raise Broken(errors)
        return Document(syntax, measured)

"""JSON Schema of the types that requests and answers are made of."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import attrs

from pepeunit.codecs.rest.strict import JsonText, Within, resolved_fields

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {
        "type": "string",
        "description": "UTC without offset, six fraction digits, none when zero",
        "examples": ["2026-11-23T08:39:09.725675"],
    },
    types.NoneType: {"type": "null"},
    Any: {},
    JsonText: {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}]},
}


class Components:
    """The named schemas of a document, collected while types are described."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._types: dict[str, type] = {}

    def describe(self, declared: Any) -> Schema:
        """The schema of a type; attrs classes and enums are referred to by name.

        Raises ``TypeError`` for a type without a JSON form, ``ValueError`` when two classes share
        a name.
        """
        origin, arguments = get_origin(declared), get_args(declared)
        if declared in _PLAIN:
            return dict(_PLAIN[declared])
        if hasattr(declared, "__supertype__"):
            return self.describe(declared.__supertype__)
        if origin is Annotated:
            return self._annotated(arguments)
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.describe(argument) for argument in arguments]}
        if origin in (tuple, list, Sequence):
            return {"type": "array", "items": self.describe(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.describe(arguments[1])}
        if inspect.isclass(declared) and (attrs.has(declared) or issubclass(declared, enum.Enum)):
            return self._named(declared)
        raise TypeError(f"{declared!r} has no JSON form")

    def _annotated(self, arguments: tuple[Any, ...]) -> Schema:
        schema = self.describe(arguments[0])
        for mark in arguments[1:]:
            if isinstance(mark, Within):
                schema |= {"minimum": mark.minimum, "maximum": mark.maximum}
        return schema

    def _named(self, declared: type) -> Schema:
        name = declared.__name__
        if self._types.setdefault(name, declared) is not declared:
            raise ValueError(f"two types are called {name}")
        if name not in self.schemas:
            self.schemas[name] = {}
            self.schemas[name] = (
                {"type": "string", "enum": [member.value for member in declared]}
                if issubclass(declared, enum.Enum)
                else self._object(declared)
            )
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, declared: type) -> Schema:
        fields = resolved_fields(declared)
        schema: Schema = {
            "type": "object",
            "properties": {field.name: self.describe(field.type) for field in fields},
        }
        required = [field.name for field in fields if field.default is attrs.NOTHING]
        if required:
            schema["required"] = required
        if declared.__doc__:
            schema["description"] = " ".join(declared.__doc__.split())
        return schema

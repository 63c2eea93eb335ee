"""The OpenAPI 3.1 document, made from the routes that serve (spec rest.md 1)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from pepeunit.codecs.bearer import TOKEN_HEADER
from pepeunit.codecs.rest.requests import Paged
from pepeunit.codecs.rest.strict import INTEGER_MAX, resolved_fields
from pepeunit.codecs.rest.violations import Violation
from pepeunit.entrypoints.http.route import EventStream, File, Pieces, Route, Stream
from pepeunit.entrypoints.http.schema import Components, Schema
from pepeunit.entrypoints.http.site import Site

_REFUSAL: Final = {
    "type": "object",
    "properties": {"detail": {"type": "string", "examples": ["422: 2: Validation Error: text"]}},
    "required": ["detail"],
}
_REFUSAL_TEXTS: Final = {
    "403": "The token is refused, or the agent may not do this",
    "405": "The feature is off",
    "422": "The request does not have this form, or is refused",
    "429": "Too many tries; see Retry-After",
    "500": "A bug; the log explains the incident",
    "503": "A part of the platform does not answer; see Retry-After",
}


def openapi_document(routes: Iterable[Route], site: Site, version: str) -> dict[str, Any]:
    """Every route with its parameters, body, answer and refusals."""
    components = Components()
    components.schemas["Refusal"] = _REFUSAL
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        prefix = site.app_path if route.outside_api else site.api_path
        operation = _operation(route, components, site)
        paths.setdefault(prefix + route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pepeunit",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER},
                "api_token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, components: Components, site: Site) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{route.method}{route.path}".lower()).strip("_"),
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [
            *_path_parameters(route, components),
            *_query_parameters(route, components, site),
        ],
        "responses": _responses(route, components),
        "security": [{}, {"token": []}, {"api_token": []}] if route.reads_token else [],
    }
    if route.notes:
        operation["description"] = route.notes
    if body := route.parts.get("body"):
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": components.describe(body)}},
        }
    if route.file_part is not None:
        file = {"type": "string", "format": "binary"}
        schema = {
            "type": "object",
            "properties": {route.file_part: file},
            "required": [route.file_part],
        }
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": schema}},
        }
    return operation


def _path_parameters(route: Route, components: Components) -> Iterable[dict[str, Any]]:
    declared = route.parts.get("path")
    types = {field.name: field.type for field in resolved_fields(declared)} if declared else {}
    for name in re.findall(r"{(\w+)}", route.path):
        schema = components.describe(types.get(name, str))
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route, components: Components, site: Site) -> Iterable[dict[str, Any]]:
    declared = route.parts.get("query")
    for field in resolved_fields(declared) if declared else ():
        schema = _without_null(components.describe(field.type))
        if declared is not None and issubclass(declared, Paged):
            schema |= _page_bounds(site).get(field.name, {})
        is_required = field.default is attrs.NOTHING
        if not is_required and field.default is not None:
            schema["default"] = _plain_default(field.default)
        yield {"name": field.name, "in": "query", "required": is_required, "schema": schema}


def _page_bounds(site: Site) -> Mapping[str, Schema]:
    return {
        "offset": {"minimum": 0, "maximum": INTEGER_MAX},
        "limit": {"minimum": 0, "maximum": site.limits.page_rows_max},
    }


def _plain_default(default: Any) -> Any:
    return default.value if isinstance(default, enum.Enum) else default


def _without_null(schema: Schema) -> Schema:
    """A query parameter is absent, never null."""
    present = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    return present[0] if len(present) == 1 else schema


def _responses(route: Route, components: Components) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done"}
    if route.answer in (File, Pieces, Stream, EventStream):
        is_json = route.media_type == "application/json"
        content = {"type": "object"} if is_json else {"type": "string", "format": "binary"}
        done["content"] = {route.media_type: {"schema": content}}
    elif route.status != 204:
        done["content"] = {"application/json": {"schema": components.describe(route.answer)}}
    refusal = {"$ref": "#/components/schemas/Refusal"}
    listed = {
        "type": "object",
        "properties": {"detail": {"type": "array", "items": components.describe(Violation)}},
        "required": ["detail"],
    }
    responses: dict[str, Any] = {str(route.status): done}
    for status, text in _REFUSAL_TEXTS.items():
        schema: Schema = {"anyOf": [refusal, listed]} if status == "422" else refusal
        responses.setdefault(
            status, {"description": text, "content": {"application/json": {"schema": schema}}}
        )
    return responses

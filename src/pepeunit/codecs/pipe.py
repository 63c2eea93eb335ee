"""A pipe's config as YAML that people write, and as the JSON text that is stored.

YAML is read by the safe loader within fixed bounds, and knows the line of each key. The stored
form holds every key, absent ones as ``null``, datetimes as ISO 8601 with a numeric offset;
``event_time``, which the contract does not know, only where it is used; the
export is that form as block YAML without its nulls (spec datapipe.md 2).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final

import yaml
from attrs import asdict, field, frozen

from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.pipes.config import PAYLOAD_BYTES_MAX, PipeConfig
from pepeunit.domain.pipes.validation import read_config

DOCUMENT_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32
EXPANDED_NODES_MAX: Final = 20_000
"""Of a document with its aliases written out."""
NUMBER_BITS_MAX: Final = 1024
"""Longer integers fit no number of a config, and the longest cannot even be told in a message."""


@frozen
class PipeDocument:
    """``root`` is what the YAML says, not yet validated; ``lines`` and columns count from 1."""

    root: object
    lines: Mapping[str, int] = field(factory=dict, repr=False)

    def line(self, path: str) -> int | None:
        """Where the value at a dotted path stands, or else what surrounds it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get("")


def read_pipe_document(content: bytes) -> PipeDocument:
    """Parse YAML in UTF-8.

    Raises ``OverLimit`` beyond DOCUMENT_BYTES_MAX, ``Invalid`` (topic pipe) with line and column
    for broken YAML, nesting deeper than DEPTH_MAX, aliases that expand beyond
    EXPANDED_NODES_MAX or contain themselves, and for an empty document.
    """
    if len(content) > DOCUMENT_BYTES_MAX:
        raise OverLimit(
            f"the config has {len(content)} bytes, at most {DOCUMENT_BYTES_MAX} are allowed",
            Topic.PIPE,
            limit=DOCUMENT_BYTES_MAX,
            actual=len(content),
        )
    try:
        loader = _BoundedLoader(content.decode("utf-8-sig"))
        node = loader.get_single_node()
        if node is None:
            raise Invalid("the document is empty", Topic.PIPE)
        _check_expansion(node)
        root = loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise Invalid(f"byte {error.start} is not UTF-8", Topic.PIPE) from None
    except yaml.reader.ReaderError as error:
        raise Invalid(
            f"the character at position {error.position} is not allowed", Topic.PIPE
        ) from None
    except (ValueError, OverflowError):  # \U of what is no character, deep inside the scanner
        raise Invalid("an escape stands for no character", Topic.PIPE) from None
    except yaml.MarkedYAMLError as error:
        raise _broken(error.problem or "not YAML", error.problem_mark) from None
    if root is None:
        raise Invalid("the document is empty", Topic.PIPE)
    return PipeDocument(root, dict(_lines(node)))


def read_pipe_yaml(content: bytes, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> PipeConfig:
    """The config that an uploaded document holds. Raises what reading and validating raise."""
    return read_config(read_pipe_document(content).root, payload_bytes_max)


def dump_pipe_json(config: PipeConfig) -> str:
    """The stored form. Equal configs give equal texts."""
    return json.dumps(stored_form(config), ensure_ascii=False, allow_nan=False)


def load_pipe_json(text: str, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> PipeConfig:
    """The config of a stored text. Raises ``Invalid`` (topic pipe) for anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("the stored config is not JSON", Topic.PIPE) from None
    return read_config(document, payload_bytes_max)


def dump_pipe_yaml(config: PipeConfig) -> str:
    """The export form."""
    return yaml.dump(
        _without_nulls(stored_form(config)),
        Dumper=_ExportDumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
    )


def stored_form(config: PipeConfig) -> dict[str, Any]:
    """The config as plain JSON values, all keys of the contract present."""
    form = asdict(config, value_serializer=_plain)
    if form["event_time"] is None:
        del form["event_time"]
    return form


def _plain(_instance: Any, _attribute: Any, value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nulls(inside) if isinstance(inside, dict) else inside
        for key, inside in value.items()
        if inside is not None
    }


class _ExportDumper(yaml.SafeDumper):
    """Writes datetimes, which are texts here, in quotes: they resolve as timestamps unquoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _BoundedLoader(yaml.SafeLoader):
    """The safe loader with a bound on depth. Scalars that only look like numbers or dates stay
    texts, for the grammar of configs to refuse with their path."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise yaml.composer.ComposerError(
                problem=f"nested deeper than {DEPTH_MAX} levels",
                problem_mark=None if parent is None else parent.start_mark,
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _or_text(construct: Any) -> Any:
    def constructed(loader: _BoundedLoader, node: yaml.ScalarNode) -> Any:
        try:
            value = construct(loader, node)
            is_long = isinstance(value, int) and value.bit_length() > NUMBER_BITS_MAX
            return node.value if is_long else value
        except (ValueError, OverflowError, LookupError, AttributeError):
            return node.value

    return constructed


for _tag in ("int", "float", "timestamp", "bool", "binary"):
    _full = f"tag:yaml.org,2002:{_tag}"
    _BoundedLoader.add_constructor(_full, _or_text(yaml.SafeLoader.yaml_constructors[_full]))


def _broken(problem: str, mark: yaml.Mark | None) -> Invalid:
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return Invalid(f"{where}{problem}", Topic.PIPE)


def _check_expansion(root: yaml.Node) -> None:
    sizes: dict[yaml.Node, int] = {}
    open_nodes: set[yaml.Node] = set()

    def size(node: yaml.Node) -> int:
        if node in sizes:
            return sizes[node]
        if node in open_nodes:
            raise _broken("an alias contains itself", node.start_mark)
        open_nodes.add(node)
        sizes[node] = 1 + sum(size(child) for child in _children(node))
        open_nodes.discard(node)
        if sizes[node] > EXPANDED_NODES_MAX:
            raise _broken(f"aliases expand to over {EXPANDED_NODES_MAX} values", node.start_mark)
        return sizes[node]

    size(root)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _lines(root: yaml.Node) -> Iterator[tuple[str, int]]:
    """The line of the root, each section, each key in it and each element of a list there."""
    yield "", root.start_mark.line + 1
    for name, line, section in _entries(root):
        yield name, line
        for key, key_line, value in _entries(section, f"{name}."):
            yield key, key_line
            if isinstance(value, yaml.SequenceNode):
                for index, element in enumerate(value.value):
                    yield f"{key}[{index}]", element.start_mark.line + 1


def _entries(node: yaml.Node, prefix: str = "") -> Iterator[tuple[str, int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield prefix + key.value, key.start_mark.line + 1, value

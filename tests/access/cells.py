"""The oracle read from ``matrix.yaml``: operations and topics, and each cell with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

FILE = Path(__file__).with_name("matrix.yaml")
NO_CELL = "."
ANY_ROW = "any"


@frozen
class Cell:
    """One row of the whole: who, on what, with which right, wants which operation, and gets what.

    ``row`` is the thing's visibility level, or another state of it; ``because`` are the lines of
    the specification that say so.
    """

    operation: str
    row: str
    column: str
    role: str
    ownership: str
    permission: str
    verdict: str
    because: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.operation} · {self.row} · {self.column} ({self.role}, {self.permission})"


@frozen
class Call:
    """A REST operation; ``shows`` and ``field`` look into what it answers.

    ``file`` is the text of the upload of that name, ``part`` the name of its part.
    """

    name: str
    method: str
    path: str
    body: Any
    file: str | None
    part: str
    shows: str | None
    field: str | None
    is_pending: bool
    cells: tuple[Cell, ...]


@frozen
class TopicForm:
    """``doors`` are those that are asked; cells by action."""

    name: str
    topic: str
    doors: tuple[str, ...]
    cells: Mapping[str, tuple[Cell, ...]]


@frozen
class ConnectForm:
    name: str
    client_id: str
    cells: tuple[Cell, ...]


@frozen
class Matrix:
    calls: tuple[Call, ...]
    connects: tuple[ConnectForm, ...]
    topics: tuple[TopicForm, ...]

    @property
    def cells(self) -> list[Cell]:
        """Every cell that must hold today."""
        return [
            *(cell for call in self.calls if not call.is_pending for cell in call.cells),
            *(cell for form in self.connects for cell in form.cells),
            *(cell for form in self.topics for cells in form.cells.values() for cell in cells),
        ]

    @property
    def pending(self) -> list[Cell]:
        return [cell for call in self.calls if call.is_pending for cell in call.cells]


def _upload(given: Any) -> dict[str, Any]:
    """A text is that of the part ``file``; a mapping names another part."""
    if not isinstance(given, Mapping):
        return {"file": given, "part": "file"}
    ((part, text),) = given.items()
    return {"file": text, "part": part}


def read_matrix() -> Matrix:
    """Raises ``AssertionError`` for a table that is not whole."""
    document = yaml.safe_load(FILE.read_text())
    columns, everywhere = document["columns"], document["everywhere"]

    def cells(name: str, table: Mapping[str, str], because: list[str]) -> Iterator[Cell]:
        assert because, f"{name} quotes nothing"
        for row, line in table.items():
            verdicts = line.split()
            assert len(verdicts) == len(columns), f"{name}, {row}: {len(verdicts)} verdicts"
            for (column, facts), verdict in zip(columns.items(), verdicts, strict=True):
                if verdict != NO_CELL:
                    also = [everywhere[key] for key in (column, verdict) if key in everywhere]
                    yield Cell(
                        name, row, column, **facts, verdict=verdict, because=(*because, *also)
                    )

    calls = tuple(
        Call(
            name,
            *given["call"].split(),
            body=given.get("body"),
            **_upload(given.get("file")),
            shows=given.get("shows"),
            field=given.get("field"),
            is_pending=given.get("pending", False),
            cells=tuple(cells(name, given["cells"], given["because"])),
        )
        for name, given in document["operations"].items()
    )
    connects = tuple(
        ConnectForm(
            name,
            given["client_id"],
            tuple(cells(f"connect as {name}", given["cells"], given["because"])),
        )
        for name, given in document["connect"].items()
    )
    topics = tuple(
        TopicForm(
            name,
            given["topic"],
            tuple(given.get("doors", ("endpoint", "hook"))),
            {
                action: tuple(cells(f"{action} {name}", given[action], given["because"]))
                for action in ("publish", "subscribe")
            },
        )
        for name, given in document["topics"].items()
    )
    return Matrix(calls, connects, topics)

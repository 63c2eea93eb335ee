"""One REST operation as a value: decoding, answering and documentation read the same types."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import NoneType
from typing import Any, BinaryIO, Final, Protocol, get_type_hints

import attrs
from attrs import field, frozen

PART_NAMES: Final = ("path", "query", "body")
SMALL_BODY_BYTES_MAX: Final = 64 * 1024
"""For what callers without a token may send."""


@frozen
class Call:
    """What a few operations need of the raw request. ``address`` is the client's, behind trusted
    proxies too; header names are lower case."""

    address: str
    headers: Mapping[str, str]
    content: bytes
    token: str | None = field(default=None, repr=False)


@frozen
class File:
    """A body that is not JSON. ``etag`` without quotes; with it byte ranges are served."""

    content: bytes
    media_type: str
    etag: str | None = None


@frozen
class Upload:
    """The file a ``multipart/form-data`` request brings."""

    content: bytes


@frozen
class SpooledUpload:
    """The file of such a request on disk, at its start; it is gone when the operation returns."""

    file: BinaryIO


@frozen
class Pieces:
    """A body of unknown size, made while it is sent. A short one is gathered first: then it has
    its length, a digest as its ETag, and an error on the way is told by the status."""

    pieces: AsyncGenerator[bytes]
    media_type: str


@frozen
class Stream:
    """A body that is sent piece by piece; ``sha256`` is its digest in hexadecimal."""

    pieces: AsyncIterator[bytes]
    size_bytes: int
    media_type: str
    sha256: str


@frozen
class EventStream:
    """An answer without an end (``text/event-stream``): blocks of text as they happen."""

    blocks: AsyncIterator[bytes]


Operation = Callable[..., Awaitable[Any]]


@frozen
class Route:
    """An operation below the API prefix, or below the application's when ``outside_api``.

    ``parts`` maps ``path``, ``query`` and ``body`` to the attrs classes that decode them;
    ``body_bytes_max`` narrows the limit of the site, ``file_part`` names the part of an upload.
    ``changes``: calls are told of in the audit log; true for everything but GET unless said
    otherwise.
    ``answer`` is the model, ``None`` for 204 without a body, :class:`File`, :class:`Stream`,
    :class:`Pieces` or :class:`EventStream`.
    """

    method: str
    path: str
    operation: Operation
    tag: str
    parts: Mapping[str, type]
    wants_call: bool
    answer: Any
    status: int
    summary: str
    notes: str
    media_type: str
    reads_token: bool
    outside_api: bool
    body_bytes_max: int | None
    file_part: str | None
    changes: bool
    is_spooled: bool

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        operation: Operation,
        *,
        status: int | None = None,
        media_type: str = "application/json",
        reads_token: bool = True,
        outside_api: bool = False,
        body_bytes_max: int | None = None,
        file_part: str = "file",
        changes: bool | None = None,
    ) -> Route:
        """Read the types from the operation's signature.

        Its first parameter is ``agent``; ``path``, ``query``, ``body``, ``file`` and ``call`` are
        passed by name when declared; ``file`` is an :class:`Upload` or a :class:`SpooledUpload` of
        the part ``file_part``. The
        docstring gives summary and notes. Raises ``TypeError`` for any other parameter and for
        parts that are not attrs classes.
        """
        hints = get_type_hints(operation)
        answer = hints.pop("return")
        hints.pop("agent")
        wants_call = hints.pop("call", None) is not None
        file = hints.pop("file", None)
        wants_file = file in (Upload, SpooledUpload)
        if wants_file and "body" in hints:
            raise TypeError(f"{operation.__qualname__}: a request has one body")
        for name, declared in hints.items():
            if name not in PART_NAMES or not attrs.has(declared):
                raise TypeError(f"{operation.__qualname__}: parameter {name} cannot be decoded")
        summary, _, notes = (inspect.getdoc(operation) or "").partition("\n\n")
        return cls(
            method=method,
            path=path,
            operation=operation,
            tag="instance" if outside_api else path.split("/")[1],
            parts=hints,
            wants_call=wants_call,
            answer=answer,
            status=status or (204 if answer is NoneType else 200),
            summary=" ".join(summary.split()),
            notes=notes,
            media_type=media_type,
            reads_token=reads_token,
            outside_api=outside_api,
            body_bytes_max=body_bytes_max,
            file_part=file_part if wants_file else None,
            changes=method != "GET" if changes is None else changes,
            is_spooled=file is SpooledUpload,
        )

    @property
    def verb(self) -> str:
        """The name of the operation in the audit log."""
        return f"{self.tag}.{self.operation.__name__}"


class Door(Protocol):
    """A group of operations over the use cases it holds."""

    def routes(self) -> Sequence[Route]: ...

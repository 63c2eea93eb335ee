"""Files of the multipart request convention, read as they come (spec graphql.md 1).

The parts ``operations`` and ``map`` lead, then the files that ``map`` puts into variables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from io import SEEK_SET, BufferedReader, RawIOBase
from tempfile import SpooledTemporaryFile
from typing import Any, Final, cast

import orjson
from aiohttp import BodyPartReader, MultipartReader
from attrs import define, field

from pepeunit.domain.errors import OverLimit, Topic
from pepeunit.entrypoints.graphql.limits import Limits

CHUNK_BYTES: Final = 256 * 1024


class Unreadable(Exception):
    """The request has no GraphQL in it; ``text`` is the whole answer, status 400."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class TooLarge(Exception):
    """The body has more than ``bytes_max`` bytes."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"more than {bytes_max} bytes")
        self.bytes_max = bytes_max


@define(eq=False, slots=False)
class _Lent(RawIOBase):
    """The stored bytes from their start, at a place of its own; closing it leaves them."""

    stored: SpooledTemporaryFile[bytes]
    at: int = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self.stored.seek(self.at)
        self.at = self.stored.seek(offset, whence)
        return self.at

    def readinto(self, buffer: Any) -> int:
        self.stored.seek(self.at)
        chunk = self.stored.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.at += len(chunk)
        return len(chunk)


@define(eq=False)
class File:
    """An upload; beyond ``Limits.memory_bytes_max`` it lies in a temporary file until closed."""

    stored: SpooledTemporaryFile[bytes] = field(repr=False)
    size_bytes: int = 0

    def reader(self) -> BufferedReader:
        """It from its start, as often as wanted: a document may name one file twice."""
        return BufferedReader(_Lent(self.stored), CHUNK_BYTES)

    def content(self, bytes_max: int, topic: Topic | None = None) -> bytes:
        """All of it. Raises ``OverLimit``."""
        if self.size_bytes > bytes_max:
            raise OverLimit(
                f"the file may have at most {bytes_max} bytes",
                topic,
                limit=bytes_max,
                actual=self.size_bytes,
            )
        self.stored.seek(0)
        return self.stored.read()

    def close(self) -> None:
        self.stored.close()


@define
class Form:
    """``read`` gives the operations with each file in its variable; ``close`` drops the files."""

    limits: Limits
    bytes_max: int
    files: list[File] = field(factory=list)
    _read_bytes: int = 0

    async def read(self, reader: MultipartReader) -> Any:
        """Raises :class:`Unreadable`, and :class:`TooLarge` as soon as a body outgrows a limit."""
        operations: Any = None
        places: Mapping[str, Any] | None = None
        for _ in range(self.limits.parts_max):
            part = await reader.next()
            if part is None:
                break
            if not isinstance(part, BodyPartReader):
                raise Unreadable("Unable to parse the multipart body")
            if part.name == "operations":
                operations = _json(await self._text(part))
            elif part.name == "map":
                places = _json(await self._text(part))
            elif isinstance(places, dict) and part.name in places:
                self._put(operations, places[part.name], await self._file(part))
            else:
                await self._skip(part)
        else:
            raise Unreadable(f"At most {self.limits.parts_max} parts are read")
        if operations is None or not isinstance(places, dict):
            raise Unreadable("The parts operations and map are needed")
        return operations

    def close(self) -> None:
        for file in self.files:
            file.close()

    async def _chunk(self, part: BodyPartReader, most: int, held: int = 0) -> bytes:
        """More of a part that may have ``most`` bytes and has so many already."""
        chunk = bytes(await part.read_chunk(CHUNK_BYTES))
        self._read_bytes += len(chunk)
        if self._read_bytes > self.bytes_max or held + len(chunk) > most:
            raise TooLarge(min(most, self.bytes_max))
        return chunk

    async def _skip(self, part: BodyPartReader) -> None:
        """What nobody asked for counts like the rest."""
        while await self._chunk(part, self.bytes_max):
            pass

    async def _text(self, part: BodyPartReader) -> bytes:
        text = bytearray()
        while chunk := await self._chunk(part, self.limits.json_bytes_max, len(text)):
            text += chunk
        return bytes(text)

    async def _file(self, part: BodyPartReader) -> File:
        file = File(SpooledTemporaryFile(self.limits.memory_bytes_max))  # noqa: SIM115
        self.files.append(file)
        while chunk := await self._chunk(part, self.limits.file_bytes_max, file.size_bytes):
            file.size_bytes += len(chunk)
            if file.size_bytes > self.limits.memory_bytes_max:
                await asyncio.to_thread(file.stored.write, chunk)
            else:
                file.stored.write(chunk)
        return file

    def _put(self, operations: Any, paths: Any, file: File) -> None:
        if isinstance(paths, list) and len(paths) > self.limits.root_fields_max:
            raise Unreadable(f"A file goes into at most {self.limits.root_fields_max} variables")
        for path in paths if isinstance(paths, list) else [None]:
            if not isinstance(path, str) or not path.startswith("variables."):
                raise Unreadable("The part map names variables")
            *steps, last = path.split(".")
            place = operations
            try:
                for step in steps:
                    place = place[int(step)] if isinstance(place, list) else place[step]
                if isinstance(place, list):
                    place[int(last)] = file
                else:
                    cast("dict[str, Any]", place)[last] = file
            except (KeyError, IndexError, TypeError, ValueError):
                raise Unreadable("The part map names a variable that is not there") from None


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unreadable("Unable to parse request body as JSON") from None

"""The one file of a ``multipart/form-data`` body (spec rest.md 3, RFC 7578)."""

from __future__ import annotations

from email.message import Message
from typing import Final

from pepeunit.codecs.rest.violations import RequestInvalid, Violation

PARTS_MAX: Final = 16
PART_HEAD_BYTES_MAX: Final = 4096


def read_file_part(content_type: str, body: bytes, name: str) -> bytes:
    """The content of the first part with that name; file name and part type do not matter.

    Raises :class:`RequestInvalid` for another type of body and for one without the part.
    """
    boundary = _parameter("Content-Type", content_type, "boundary")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        text = "Content-Type should be multipart/form-data with a boundary"
        raise RequestInvalid((Violation("model_attributes_type", ("body",), text),))
    delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    for part in (b"\r\n" + body).split(delimiter, PARTS_MAX)[1:PARTS_MAX]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if part.startswith(b"--"):
            break
        if blank and len(head) <= PART_HEAD_BYTES_MAX and _name_of(head) == name:
            return content
    raise RequestInvalid((Violation("missing", ("body", name), "Field required"),))


def _name_of(head: bytes) -> str | None:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        field, _, text = line.partition(":")
        if field.strip().lower() == "content-disposition":
            return _parameter("Content-Disposition", text, "name")
    return None


def _parameter(field: str, text: str, name: str) -> str | None:
    message = Message()
    try:
        message[field] = text.strip()
        found = message.get_param(name, header=field)
    except ValueError:
        return None
    return found if isinstance(found, str) else None

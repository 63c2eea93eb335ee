"""The words of ``graphql-transport-ws`` (the protocol document of graphql-ws)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import orjson
from attrs import frozen

from pepeunit.codecs.bearer import TOKEN_HEADER, presented_token
from pepeunit.entrypoints.graphql.execution import Request

SUBPROTOCOL: Final = "graphql-transport-ws"
ID_LENGTH_MAX: Final = 128


class CloseCode(enum.IntEnum):
    """Those below 4000 are WebSocket's own."""

    GOING_AWAY = 1001
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITIALISATIONS = 4429


class Closing(Exception):
    """The connection is to be closed; reasons have at most 123 bytes."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@frozen
class Message:
    kind: str
    id: str = ""
    payload: Any = None


def read_message(text: str) -> Message:
    """Raises :class:`Closing` (4400) for what the protocol does not know."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _bad("a message must be JSON") from None
    if not isinstance(document, dict):
        raise _bad("a message must be an object")
    kind, name, payload = (document.get(key) for key in ("type", "id", "payload"))
    if kind in ("subscribe", "complete"):
        if not isinstance(name, str) or not 1 <= len(name) <= ID_LENGTH_MAX:
            raise _bad(f"a message needs an id of 1 to {ID_LENGTH_MAX} characters")
        if kind == "subscribe" and not isinstance(payload, dict):
            raise _bad("subscribe needs a payload")
        return Message(kind, name, payload)
    if kind not in ("connection_init", "ping", "pong"):
        raise _bad("a message of a type that the protocol does not know")
    if payload is not None and not isinstance(payload, dict):
        raise _bad("a payload must be an object")
    return Message(kind, "", payload)


def read_request(payload: Mapping[str, Any]) -> Request:
    """What is subscribed. Raises :class:`Closing` (4400)."""
    text, variables, name = (payload.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(text, str) or not isinstance(variables, dict | None):
        raise _bad("subscribe needs a query, and variables that are an object")
    if not isinstance(name, str | None):
        raise _bad("the operationName must be a text")
    return Request(text, variables or {}, name or None)


def read_token(payload: Mapping[str, Any] | None) -> str | None:
    """Of ``connection_init``: ``x-auth-token`` or ``Authorization: Bearer``, in any case."""
    given = {name.lower(): text for name, text in (payload or {}).items() if isinstance(text, str)}
    token = presented_token(given | {"Authorization": given.get("authorization", "")})
    if token:
        return token
    scheme, _, credentials = given.get("authorization", "").partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else given.get(TOKEN_HEADER)


def write_message(kind: str, name: str = "", payload: bytes = b"") -> str:
    """``payload`` is JSON already."""
    text = orjson.dumps({"type": kind} | ({"id": name} if name else {}))
    if payload:
        text = text[:-1] + b',"payload":' + payload + b"}"
    return text.decode()


def _bad(reason: str) -> Closing:
    return Closing(CloseCode.BAD_REQUEST, reason)

"""How the text of a ``PU_*`` variable becomes a value, and what else a setting carries.

A parser takes the text and returns the value or raises ``ValueError`` with a message for the
operator. It never repeats the text: that may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import attrs
from attrs import frozen

KEY_BYTES: Final = frozenset({16, 24, 32})
SECRET_BYTES_MIN: Final = 32
TRUE: Final = frozenset({"1", "true", "yes", "on"})
FALSE: Final = frozenset({"0", "false", "no", "off"})
BYTE_UNITS: Final = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
DATABASE_SCHEME: Final = "postgresql+asyncpg"
DATABASE_SCHEMES: Final = frozenset(
    {"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", DATABASE_SCHEME}
)
HOSTLESS: Final = DATABASE_SCHEMES | {"chdb"}
"""Schemes whose URL can name a path instead of a host."""
METADATA_KEY: Final = "setting"

Parser = Callable[[str], Any]


@frozen
class Setting:
    """What is known of a setting besides its value."""

    name: str
    parse: Parser
    description: str
    default_text: str
    """For the page of settings: the default, or what stands in for it."""
    secret: bool
    built: bool
    """Whether the capability that reads it exists; otherwise it is accepted and has no effect."""


def setting(
    name: str,
    default: object,
    parse: Parser,
    description: str,
    *,
    shown: str | None = None,
    secret: bool = False,
    built: bool = True,
) -> Any:
    """An attrs field that holds a setting; ``shown`` replaces the default on the page."""
    text = shown if shown is not None else _shown(default)
    return attrs.field(
        default=default,
        repr=masked if secret else True,
        metadata={METADATA_KEY: Setting(name, parse, description, text, secret, built)},
    )


def masked(value: object) -> str:
    return "'***'" if value else repr(value)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if default is None or default in ((), "", b""):
        return "empty"
    return str(default)


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise ValueError("true or false is expected")


def whole(least: int, most: int | None = None) -> Parser:
    """A whole number in a range, both ends included."""

    def parse(value: str) -> int:
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise ValueError(f"a whole number is expected, {bounds}")
        number = int(value)
        if number < least or (most is not None and number > most):
            raise ValueError(f"out of range: {bounds}")
        return number

    return parse


def address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("an IP address is expected, such as 0.0.0.0, :: or 127.0.0.1") from None


port_number: Final = whole(1, 65_535)


def seconds_below(limit: float) -> Parser:
    """A positive number of seconds, fractions allowed."""

    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 < number < limit:
            raise ValueError(f"a number of seconds above 0 and below {limit:g} is expected")
        return number

    return parse


def choice(*words: str) -> Parser:
    def parse(value: str) -> str:
        if value not in words:
            raise ValueError("one of these is expected: " + ", ".join(words))
        return value

    return parse


def rate(value: str) -> int:
    """``30/s`` or ``30``."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})(/s)?", value)
    if found is None:
        raise ValueError("a number a second is expected, such as 30/s")
    return int(found[1])


def byte_rate(value: str) -> int:
    """``1MB/s``, ``512KB/s`` or a number of bytes."""
    found = re.fullmatch(r"([1-9][0-9]{0,11})([KMG]?B)?(/s)?", value)
    if found is None:
        raise ValueError("bytes a second are expected, such as 1MB/s")
    return int(found[1]) * BYTE_UNITS[found[2] or ""]


def listed(parse_item: Parser) -> Parser:
    """Comma-separated items."""

    def parse(value: str) -> tuple[Any, ...]:
        return tuple(parse_item(item.strip()) for item in value.split(",") if item.strip())

    return parse


def host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?", value):
        raise ValueError("a host name or address is expected, with a port if need be")
    return value


def prefix(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", value):
        raise ValueError("a path such as /pepeunit is expected, without a slash at the end")
    return value


def network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError as error:
        raise ValueError("addresses or networks such as 10.0.0.0/8 are expected") from error


def origin(value: str) -> str:
    if value != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", value):
        raise ValueError("origins such as https://example.org are expected")
    return value


def link(*schemes: str) -> Parser:
    """A URL of one of the schemes, with a host."""

    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            whole_url = bool(parts.hostname or parts.scheme in HOSTLESS) and parts.port != 0
        except ValueError:
            # its text can hold the password
            raise ValueError("a URL is expected") from None
        if parts.scheme not in schemes or not whole_url:
            raise ValueError("a URL is expected that begins with " + " or ".join(schemes) + "://")
        return value

    return parse


def database_url(value: str) -> str:
    """A PostgreSQL URL; the schemes other drivers use become ours."""
    parts = urlsplit(link(*sorted(DATABASE_SCHEMES))(value))
    query = re.sub(r"(^|&)sslmode=", r"\1ssl=", parts.query)
    # urlunsplit would drop the empty host of a socket URL
    tail = urlunsplit(("", "", parts.path, query, ""))
    return f"{DATABASE_SCHEME}://{parts.netloc}{tail}"


CLICKHOUSE_SCHEMES: Final = frozenset(
    {"clickhouse", "clickhouse+native", "clickhouse+http", "clickhouse+https", "http", "https"}
)
NATIVE_SCHEMES: Final = ("clickhouse:", "clickhouse+native:")
"""Of the native protocol, which is not spoken here."""
NATIVE_PORTS: Final = {9000: 8123, 9440: 8443}
"""The usual ports of the native protocol, and those of the HTTP interface beside them."""


def clickhouse_url(value: str) -> str:
    """``chdb:///folder``, or a server: the schemes other drivers use become ``http(s)``."""
    parts = urlsplit(link("chdb", *sorted(CLICKHOUSE_SCHEMES))(value))
    if parts.scheme == "chdb":
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("a folder such as chdb:///var/lib/pepeunit/series is expected")
        return value
    query = parse_qs(parts.query)
    secure = (
        parts.scheme in ("https", "clickhouse+https")
        or parts.port in (8443, 9440)
        or query.get("secure", ["false"])[0].lower() in TRUE
    )
    host = parts.netloc
    if f"{parts.scheme}:" in NATIVE_SCHEMES:
        port = NATIVE_PORTS.get(parts.port or 0, parts.port or (8443 if secure else 8123))
        host = host.removesuffix(f":{parts.port}") + f":{port}"
    cluster = f"cluster={query['cluster'][0]}" if "cluster" in query else ""
    return urlunsplit(("https" if secure else "http", host, parts.path, cluster, ""))


def secret_key(value: str) -> str:
    if len(value.encode()) < SECRET_BYTES_MIN:
        raise ValueError(f"at least {SECRET_BYTES_MIN} bytes are needed")
    return value


def encrypt_key(value: str) -> bytes:
    try:
        key = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) not in KEY_BYTES:
        raise ValueError("the base64 text of 32 (or 16, 24) bytes is expected")
    return key


def encrypt_keys(value: str) -> tuple[tuple[str, bytes], ...]:
    """``k2:<base64>,k1:<base64>``."""
    keys = []
    for item in value.split(","):
        key_id, _, key = item.strip().partition(":")
        if not re.fullmatch(r"[a-z0-9]{1,16}", key_id):
            raise ValueError("items such as k2:<base64 key> are expected, separated by commas")
        keys.append((key_id, encrypt_key(key)))
    if len({key_id for key_id, _ in keys}) != len(keys):
        raise ValueError("a key id is listed twice")
    return tuple(keys)


def symbols(value: str) -> frozenset[str]:
    """Characters, with ranges such as ``a-z`` between letters or digits."""
    found: set[str] = set()
    for part in re.findall(r"[A-Za-z0-9]-[A-Za-z0-9]|.", value, re.DOTALL):
        if len(part) == 3 and part[0] <= part[2]:
            found.update(map(chr, range(ord(part[0]), ord(part[2]) + 1)))
        else:
            found.update(part)
    return frozenset(found)

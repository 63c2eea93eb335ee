"""Which hosts the platform may call on behalf of a user (spec access.md W15, rulings 24).

The rule is pure: it judges the text of a URL and the addresses its host resolved to. Who calls
it resolves anew on every use and connects to nothing but the addresses judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic

URL_CHARS_MAX: Final = 2048
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_URL_TEXT = re.compile(r"[!-~]+")
_NAT64 = ip_network("64:ff9b::/96")
_NEVER_PUBLIC = (
    ip_network("192.0.0.0/24"),
    ip_network("168.63.129.16/32"),  # a cloud's metadata endpoint on a routable address
    ip_network("64:ff9b:1::/48"),
    ip_network("fec0::/10"),
)


@frozen
class WebAddress:
    """A URL that carries no credentials; ``target`` is its path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """``scheme://host:port``; credentials never leave it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return self.origin + self.target


def web_address(url: str, topic: Topic = Topic.REGISTRY) -> WebAddress:
    """Take a URL apart; refuses every form that two parsers could read differently.

    Raises ``Invalid`` of ``topic`` with each rule the URL breaks.
    """
    if len(url) > URL_CHARS_MAX or not _URL_TEXT.fullmatch(url) or "\\" in url:
        raise Invalid(
            f"the URL must be 1..{URL_CHARS_MAX} printable ASCII characters without backslashes",
            topic,
        )
    if not url.startswith(("http://", "https://")):
        raise Invalid("the URL must start with http:// or https://", topic)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("the URL is malformed", topic) from None
    violations = []
    host = (parts.hostname or "").rstrip(".")
    if "@" in parts.netloc:
        violations.append(("", "the URL must not contain credentials"))
    if not _is_host(host):
        violations.append(("", "the URL must name a host"))
    if port == 0 or parts.netloc.endswith(":"):
        violations.append(("", "the port must be within 1..65535"))
    if parts.fragment or "#" in url:
        violations.append(("", "the URL must not contain a fragment"))
    if violations:
        raise Invalid(violations, topic)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebAddress(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], target)


def repository_address(url: str, topic: Topic = Topic.REGISTRY) -> WebAddress:
    """A :func:`web_address` whose path names a repository: ends in ``.git``, has no query."""
    address = web_address(url, topic)
    path = address.target
    if "?" in url or not path.endswith(".git") or path.endswith("/.git"):
        raise Invalid("the URL must end with .git", topic)
    if {"", ".", ".."} & set(path[1:].split("/")):
        raise Invalid("the URL must name one repository, without empty or dotted parts", topic)
    return address


@frozen
class HostRule:
    """Public hosts over https, and whatever the operator lists in ``PU_GIT_HOST_ALLOWLIST``."""

    allowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str) -> HostRule:
        """Read ``host`` and ``host:port`` entries separated by commas.

        Raises ``Invalid`` (topic registry) with every entry that is neither.
        """
        entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
        wrong = [entry for entry in entries if not _is_entry(entry)]
        if wrong:
            raise Invalid(
                [(entry, "must be a host or host:port") for entry in wrong], Topic.REGISTRY
            )
        return cls(frozenset(entries))

    def lists(self, address: WebAddress) -> bool:
        """Whether the operator vouches for this host, or for this port of it."""
        bare = f"[{address.host}]" if ":" in address.host else address.host
        return bool({address.host, bare, address.authority} & self.allowed)

    def check(self, address: WebAddress, resolved: Iterable[str], topic: Topic) -> None:
        """Refuse with ``Invalid`` of ``topic`` unless every resolved address may be called.

        The answer never tells what a name resolved to: it would map the inner network.
        """
        if self.lists(address):
            return
        if address.scheme != "https":
            raise Invalid("http is only for hosts listed in PU_GIT_HOST_ALLOWLIST", topic)
        if not all(is_public(text) for text in resolved):
            raise Invalid(
                "the host is not on a public address and not listed in PU_GIT_HOST_ALLOWLIST",
                topic,
            )


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the open internet, whatever it is wrapped in."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return all(_is_open(one) for one in _unwrapped(address))


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NEVER_PUBLIC)
    )


def _unwrapped(
    address: IPv4Address | IPv6Address,
) -> tuple[IPv4Address | IPv6Address, ...]:
    """The address, or the IPv4 addresses that an IPv6 form carries inside."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    if address.teredo is not None:
        return (address, *address.teredo)
    if address in _NAT64:
        return (address, IPv4Address(int(address) & 0xFFFFFFFF))
    return (address,)


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return ip_address(host).version == 6 and "%" not in host
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(host) is not None


def _is_entry(entry: str) -> bool:
    if _is_host(entry):
        return True
    host, colon, port = entry.rpartition(":")
    if entry.startswith("[") and entry.endswith("]"):
        return _is_host(entry[1:-1]) and ":" in entry
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    return (
        bool(colon) and _is_host(bare) and port.isdecimal() and port.isascii() and int(port) < 65536
    )

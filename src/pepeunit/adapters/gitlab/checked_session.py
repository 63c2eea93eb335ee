"""HTTP to hosts that users name: every hop checked, answers bounded (spec access.md W15)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import define, field, frozen
from yarl import URL

from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import HostRule, WebAddress, web_address
from pepeunit.ports.resolver import Resolve

REDIRECTS_MAX: Final = 3
ANSWER_SECONDS_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 8 * 2**20
CONNECTIONS_MAX: Final = 20
CHUNK_BYTES: Final = 65536


@frozen
class Answer:
    status: int
    body: bytes


class _AddressRefused(OSError):
    """The resolver's way to stop a connection; carries what to tell the caller."""

    def __init__(self, refusal: Invalid | Unavailable) -> None:
        super().__init__("address refused")
        self.refusal = refusal


@define(eq=False)
class CheckedSession:
    """One pool of connections that never reach an address the rule refuses.

    The name is resolved once per connection and that very answer is checked and connected to,
    so a name that changes its mind between check and use gains nothing.
    """

    hosts: HostRule
    resolve: Resolve
    topic: Topic = Topic.PLATFORM
    answer_bytes_max: int = ANSWER_BYTES_MAX
    answer_seconds_max: float = ANSWER_SECONDS_MAX
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def get(self, url: str, secrets: Mapping[str, str]) -> Answer:
        """GET ``url``; the ``secrets`` are headers that never leave the first origin.

        Follows REDIRECTS_MAX redirects. Raises ``Invalid`` for a refused address, endless
        redirects and answers over the limit, ``Unavailable`` when nobody answers in time.
        """
        headers = dict(secrets)
        address = self._checked(url)
        for _ in range(REDIRECTS_MAX + 1):
            answer, location = await self._hop(address, headers)
            if location is None:
                return answer
            target = self._checked(urljoin(address.url, location))
            if target.origin != address.origin:
                headers = {}
            address = target
        raise Invalid(f"the platform redirects more than {REDIRECTS_MAX} times", self.topic)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _hop(
        self, address: WebAddress, headers: Mapping[str, str]
    ) -> tuple[Answer, str | None]:
        try:
            async with self._open().get(
                URL(address.url, encoded=True), headers=headers, allow_redirects=False
            ) as response:
                location = response.headers.get("Location")
                if response.status in (301, 302, 303, 307, 308) and location:
                    return Answer(response.status, b""), location
                return Answer(response.status, await self._body(response)), None
        except aiohttp.ClientConnectorError as failure:
            if isinstance(failure.os_error, _AddressRefused):
                raise failure.os_error.refusal from None
            raise self._silent(address) from None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise self._silent(address) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            body += chunk
            if len(body) > self.answer_bytes_max:
                raise Invalid("the platform's answer is too long", self.topic)
        return bytes(body)

    def _checked(self, url: str) -> WebAddress:
        """Check what the text alone tells; numeric hosts never reach the resolver."""
        address = web_address(url, self.topic)
        numeric = _literal(address.host)
        self.hosts.check(address, numeric, self.topic)
        return address

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_CheckedResolver(self.hosts, self.resolve, self.topic),
                use_dns_cache=False,
                limit=CONNECTIONS_MAX,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self.answer_seconds_max),
                # An encoded answer could unfold past the limit inside the library.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _silent(self, address: WebAddress) -> Unavailable:
        return Unavailable("git platform", f"{address.authority} did not answer")


@define(eq=False)
class _CheckedResolver(AbstractResolver):
    hosts: HostRule
    resolve_: Resolve
    topic: Topic

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = await self.resolve_(host, port)
            self.hosts.check(WebAddress("https", host, port, "/"), found, self.topic)
        except (Invalid, Unavailable) as refusal:
            raise _AddressRefused(refusal) from None
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for one in found
        ]

    async def close(self) -> None:
        return None


def _literal(host: str) -> Sequence[str]:
    return (host,) if ":" in host or host.replace(".", "").isdecimal() else ()

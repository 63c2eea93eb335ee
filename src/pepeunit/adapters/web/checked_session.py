"""HTTP to hosts that users name: every hop checked, answers bounded (spec access.md W15)."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import define, field
from yarl import URL

from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import HostRule, WebAddress, web_address
from pepeunit.ports.resolver import Resolve
from pepeunit.ports.web import ANSWER_BYTES_MAX, JSON, Answer, Write

REDIRECTS_MAX: Final = 3
ANSWER_SECONDS_MAX: Final = 5.0
DOWNLOAD_SECONDS_MAX: Final = 120.0
CONNECTIONS_MAX: Final = 20
CHUNK_BYTES: Final = 65536
_REDIRECTS: Final = (301, 302, 303, 307, 308)


_Read = Callable[[aiohttp.ClientResponse], Awaitable[bytes]]


class _AddressRefused(OSError):
    """The resolver's way to stop a connection; carries what to tell the caller."""

    def __init__(self, refusal: Invalid | Unavailable) -> None:
        super().__init__("address refused")
        self.refusal = refusal


@define(eq=False)
class CheckedSession:
    """Implements :class:`~pepeunit.ports.web.Web`: one pool of connections that never reach an
    address the rule refuses.

    The name is resolved once per connection and that very answer is checked and connected to,
    so a name that changes its mind between check and use gains nothing.
    """

    hosts: HostRule
    resolve: Resolve
    topic: Topic = Topic.PLATFORM
    answer_seconds_max: float = ANSWER_SECONDS_MAX
    download_seconds_max: float = DOWNLOAD_SECONDS_MAX
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def get(
        self,
        url: str,
        secrets: Mapping[str, str],
        *,
        accept: str = JSON,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        async def read(response: aiohttp.ClientResponse) -> bytes:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > bytes_max:
                    raise Invalid("the platform's answer is too long", self.topic)
            return bytes(body)

        return await self._follow(url, secrets, accept, read, self.answer_seconds_max)

    async def download(
        self, url: str, secrets: Mapping[str, str], write: Write, *, accept: str = "*/*"
    ) -> Answer:
        async def read(response: aiohttp.ClientResponse) -> bytes:
            if response.status == 200:
                self._refuse_other_than_a_file(response)
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    await write(chunk)
            return b""

        return await self._follow(url, secrets, accept, read, self.download_seconds_max)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _follow(
        self, url: str, secrets: Mapping[str, str], accept: str, read: _Read, seconds_max: float
    ) -> Answer:
        headers = dict(secrets)
        address = self._checked(url)
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._hop(address, headers | {"Accept": accept}, read, seconds_max)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            target = self._checked(urljoin(address.url, location))
            if target.origin != address.origin:
                headers = {}
            address = target
        raise Invalid(f"the platform redirects more than {REDIRECTS_MAX} times", self.topic)

    async def _hop(
        self, address: WebAddress, headers: Mapping[str, str], read: _Read, seconds_max: float
    ) -> Answer:
        try:
            async with self._open().get(
                URL(address.url, encoded=True),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(seconds_max, sock_read=self.answer_seconds_max),
            ) as response:
                told = {name.lower(): text for name, text in response.headers.items()}
                is_redirect = response.status in _REDIRECTS and "location" in told
                return Answer(response.status, b"" if is_redirect else await read(response), told)
        except aiohttp.ClientConnectorError as failure:
            if isinstance(failure.os_error, _AddressRefused):
                raise failure.os_error.refusal from None
            raise self._silent(address) from None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise self._silent(address) from None

    def _refuse_other_than_a_file(self, response: aiohttp.ClientResponse) -> None:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Invalid("the platform encodes the file although asked not to", self.topic)
        if response.content_type == "text/html":
            raise Invalid("the platform answers with a page instead of the file", self.topic)

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
                # An encoded answer could unfold past the limit inside the library.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "pepeunit"},
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

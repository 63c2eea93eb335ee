"""A caller of our REST interface, as any program outside is one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from attrs import define, field

from pepeunit.domain.errors import Unavailable

REQUEST_SECONDS_MAX: Final = 30.0

Params = Mapping[str, str | int]


@define(eq=False)
class RestClient:
    """``token`` is sent with every request once it is set."""

    api_url: str
    _session: aiohttp.ClientSession
    token: str = field(default="", repr=False)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and decoded answer. Raises ``Unavailable`` when nobody answers."""
        try:
            async with self._session.request(
                method,
                f"{self.api_url}/{path}",
                json=body,
                params=params,
                headers={"x-auth-token": self.token, **(headers or {})},
            ) as answer:
                if answer.content_type == "application/json":
                    return answer.status, await answer.json()
                return answer.status, await answer.read()
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable("platform", f"{method} /{path}: {reason}") from None

    async def call_as_host(self, path: str, headers: Mapping[str, str], body: object) -> None:
        """A webhook call: without our token, with the code host's own headers."""
        anonymous = RestClient(self.api_url, self._session)
        status, answer = await anonymous.ask("POST", path, body, headers=headers)
        if status >= 400:
            raise refused("POST", path, status, answer)

    async def call(
        self, method: str, path: str, body: object = None, params: Params | None = None
    ) -> Any:
        """The decoded answer. Raises ``Unavailable`` for every status of 400 and above."""
        status, answer = await self.ask(method, path, body, params)
        if status >= 400:
            raise refused(method, path, status, answer)
        return answer


def refused(method: str, path: str, status: int, answer: object) -> Unavailable:
    """What a refused request looks like to a person."""
    detail = answer.get("detail", answer) if isinstance(answer, dict) else answer
    return Unavailable("platform", f"{method} /{path} answered {status}: {detail}")


@asynccontextmanager
async def rest_client(api_url: str) -> AsyncIterator[RestClient]:
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield RestClient(api_url, session)

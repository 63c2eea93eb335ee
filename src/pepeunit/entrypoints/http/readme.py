"""README.md from ``pepeunit.toml`` over REST (spec devices.md 14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pepeunit.codecs.readme import convert_readme
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.entrypoints.http.route import SMALL_BODY_BYTES_MAX, File, Route, Upload

MARKDOWN: Final = "text/markdown; charset=utf-8"


@frozen
class ReadmeDoor:
    def routes(self) -> Sequence[Route]:
        return (
            Route.of(
                "POST",
                "/units/convert_toml_to_md",
                self.convert,
                media_type=MARKDOWN,
                body_bytes_max=SMALL_BODY_BYTES_MAX,
                changes=False,
            ),
        )

    async def convert(self, agent: Agent, file: Upload) -> File:
        """README.md from a ``pepeunit.toml`` of at most 10000 characters."""
        require_kind(agent, AgentKind.USER)
        return File(convert_readme(file.content).encode(), MARKDOWN)

"""Which node a topic of the broker means."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from pepeunit.domain.messaging.topic import NodeTopic, parse_topic

EVERY_NODE: Final = "+/pepeunit"


class NodeTopics:
    """Looks a topic up by its bytes; parsed once, remembered while there is room."""

    def __init__(self, domains: Collection[str], topics_max: int) -> None:
        self._domains = frozenset(domains)
        self._topics_max = topics_max
        self._known: dict[bytes, UUID | None] = {}

    @property
    def filters(self) -> Sequence[str]:
        """What to subscribe to (spec datapipe.md 1)."""
        return [f"{domain}/{EVERY_NODE}" for domain in sorted(self._domains)]

    def node(self, topic: bytes) -> UUID | None:
        """None for every topic that is not one of a node that can have a pipe."""
        try:
            return self._known[topic]
        except KeyError:
            return self._learn(topic)

    def _learn(self, topic: bytes) -> UUID | None:
        parsed = parse_topic(topic.decode(), self._domains)
        is_ours = isinstance(parsed, NodeTopic) and parsed.has_suffix
        node: UUID | None = parsed.node if is_ours and isinstance(parsed, NodeTopic) else None
        if len(self._known) >= self._topics_max:
            self._known.clear()
        self._known[topic] = node
        return node

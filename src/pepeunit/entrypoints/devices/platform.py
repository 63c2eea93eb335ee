"""What the endpoint asks of the platform: four questions, given as callables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.messaging.topic import ParsedTopic
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.messages.receive import Inbound


class Authenticate(Protocol):
    async def __call__(self, token: str, client_id: str) -> Agent:
        """Who connects: ``token`` is the MQTT user name ("" if absent).

        Raises a leaf of Refused: Unauthenticated (bad credentials), Conflict (the client id
        belongs to another subject, rulings 29), any other (not authorised); or Unavailable.
        """
        ...


class Authorize(Protocol):
    async def __call__(self, agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        """The topic's meaning if ``agent`` may do this there, else None.

        ``topic`` is a topic, never a filter with wildcards. Publish verdicts are cached per
        session until :meth:`Exchange.recheck`. Raises Unavailable.
        """
        ...


class Receive(Protocol):
    async def __call__(self, messages: Sequence[Inbound]) -> None:
        """Take one batch, in order, coalesced across clients; never called concurrently.

        Returns when every message that the platform keeps is stored: only then are they
        acknowledged (rulings 27). Raises Unavailable when one of them could not be stored; then
        none is acknowledged and their senders are cut off, so that they send again.
        """
        ...


class Presence(Protocol):
    """Told in order, one call at a time; a call that raises Unavailable is repeated.

    Events of one agent that wait for their turn fold into the newest state.
    """

    async def connected(self, agent: Agent) -> None:
        """A client of ``agent`` was accepted (each time, also on takeover)."""
        ...

    async def disconnected(self, agent: Agent) -> None:
        """The last connection of ``agent`` is gone."""
        ...

    async def listening(self, agent: Agent) -> None:
        """A unit subscribed to one of its own command topics, or resumed such a session."""
        ...


@frozen
class Platform:
    authenticate: Authenticate
    authorize: Authorize
    receive: Receive
    presence: Presence

"""What a list may show: the policy's *see* rule as a value that queries consume (rulings 7)."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Resource
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import UnitId, UserId


@frozen
class Scope:
    """A union of grounds for seeing a row; ``levels`` additionally narrows by the caller's filter.

    ``permitted_agent`` admits rows that a permission or an edge joins to that agent (rulings 11),
    ``owner`` rows it created, ``unit`` the unit itself and its nodes, ``everything`` every row.
    ``within`` leaves of all that only these units and their nodes: the limit of an API token.
    """

    public: bool = True
    internal: bool = False
    permitted_agent: UUID | None = None
    owner: UserId | None = None
    unit: UnitId | None = None
    everything: bool = False
    levels: frozenset[Visibility] = frozenset(Visibility)
    within: frozenset[UnitId] | None = None

    @classmethod
    def of(cls, agent: Agent, levels: frozenset[Visibility] | None = None) -> Self:
        wanted = frozenset(Visibility) if levels is None else levels
        if agent.kind is AgentKind.BACKEND or agent.is_admin:
            return cls(everything=True, levels=wanted)
        if agent.kind is AgentKind.BOT:
            return cls(levels=wanted)
        return cls(
            internal=True,
            permitted_agent=agent.uuid,
            owner=agent.user_id,
            unit=agent.unit_id,
            levels=wanted,
            within=None if agent.restriction is None else agent.restriction.units,
        )

    def admits_link(self, output: Resource, input_: Resource) -> bool:
        """Whether a list shows an edge between two nodes: both are seen, or one is the owner's,
        who must find it to cut it (rulings 1 and 11)."""
        ends = (output, input_)
        if self.owner is not None and any(
            self.owner == end.creator and self._reaches(end) for end in ends
        ):
            return True
        return all(self.admits(end) for end in ends)

    def _reaches(self, thing: Resource) -> bool:
        return self.within is None or thing.unit in self.within

    def admits(self, thing: Resource) -> bool:
        """Whether a list under this scope shows the row; ``thing.permitted`` is about its agent."""
        if thing.visibility not in self.levels or not self._reaches(thing):
            return False
        return (
            self.everything
            or (self.public and thing.visibility is Visibility.PUBLIC)
            or (self.internal and thing.visibility is Visibility.INTERNAL)
            or (self.permitted_agent is not None and thing.permitted)
            or (self.owner is not None and thing.creator == self.owner)
            or (self.unit is not None and thing.unit == self.unit)
        )

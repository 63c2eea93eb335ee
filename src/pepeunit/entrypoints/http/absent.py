"""Operations of the contract that this version does not have: 405 code 15 (rulings 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Disabled
from pepeunit.entrypoints.http.route import Route

ABSENT: Final = (
    ("GET", "/users/generate_verification_link/"),
    ("POST", "/grafana/create_dashboard"),
    ("POST", "/grafana/create_dashboard_panel"),
    ("POST", "/grafana/link_unit_node_to_panel"),
    ("GET", "/grafana/get_dashboard/{uuid}"),
    ("GET", "/grafana/get_dashboards"),
    ("GET", "/grafana/get_dashboard_panels/{uuid}"),
    ("POST", "/grafana/sync_dashboard"),
    ("DELETE", "/grafana/delete_dashboard/{uuid}"),
    ("DELETE", "/grafana/delete_panel/{uuid}"),
    ("DELETE", "/grafana/delete_link/{uuid}"),
    ("GET", "/grafana/oidc/authorize"),
    ("POST", "/grafana/oidc/token"),
    ("GET", "/grafana/oidc/userinfo"),
    ("GET", "/grafana/datasource/"),
)


@frozen
class AbsentDoor:
    def routes(self) -> Sequence[Route]:
        return [Route.of(method, path, self.refuse, changes=False) for method, path in ABSENT]

    async def refuse(self, agent: Agent) -> None:
        """Not in this version."""
        raise Disabled("this feature is not part of this version")

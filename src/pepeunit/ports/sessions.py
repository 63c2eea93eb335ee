"""The connected devices, as the broker sees them."""

from __future__ import annotations

from typing import Protocol

from pepeunit.domain.ids import UnitId


class Sessions(Protocol):
    """Ends sessions and makes changed rights felt at once."""

    async def kick(self, unit: UnitId) -> None:
        """Disconnect every session of the unit and forget its stored session state."""
        ...

    async def recheck(self) -> None:
        """Rights changed: forget cached verdicts and drop subscriptions no longer allowed."""
        ...

    def is_online(self, unit: UnitId) -> bool: ...

"""Named leases: one holder across every process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Leases(Protocol):
    def hold(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Try to take the lease; True while it is ours, False when somebody else has it.

        Released at exit and when the holding process dies.
        """
        ...

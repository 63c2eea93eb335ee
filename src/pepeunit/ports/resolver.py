"""Turning a host name into addresses, each time anew (spec access.md W15)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""``(host, port)`` to every IP address the name stands for, as text.

Raises :class:`~pepeunit.domain.errors.Unavailable` when the name does not resolve.
"""

"""What git knows of a program: commits, tags, release assets (spec devices.md 2, 5)."""

from __future__ import annotations

from typing import NewType

from attrs import frozen

Sha = NewType("Sha", str)
"""Forty lower-case hexadecimal digits."""


@frozen
class Commit:
    """A commit in branch order; ``tag`` is the one that counts where it carries several."""

    commit: Sha
    summary: str
    tag: str | None = None


@frozen
class Version:
    """A commit that a unit is built for, with its tag where it has one."""

    commit: Sha
    tag: str | None = None


@frozen
class TreeEntry:
    """One path of a commit's tree. ``mode`` is git's (0o100644, 0o100755, 0o120000, 0o160000)."""

    path: str
    mode: int
    blob: Sha
    size_bytes: int

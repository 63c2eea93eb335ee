"""What git knows of a program: commits, tags, release assets (spec devices.md 2, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Asset:
    """A file of a release; its name is the platform that a compiled program runs on.

    ``link`` is what a browser opens, ``source`` the API's address of the same file where a token
    works only there; ``sha256`` is the digest in hexadecimal where the platform tells it.
    """

    name: str
    link: str
    sha256: str | None = None
    source: str | None = None


Releases = Mapping[str, Sequence[Asset]]
"""By tag, in the order the platform gives."""


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

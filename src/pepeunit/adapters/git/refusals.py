"""What git's failures mean to a caller; git's own words stay in our log."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

from pepeunit.adapters.git.process import GitFailed, TooMuchOutput
from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.domain.registries.address import WebAddress
from pepeunit.domain.registries.version import Sha

_log = logging.getLogger(__name__)

_SHA = re.compile(r"[0-9a-f]{40}")
_REFUSED = re.compile(
    r"could not read (Username|Password)|Authentication failed|repository '[^']*' not found"
    r"|returned error: 40[134]"
)


def sha(text: str) -> Sha:
    """``text`` when it is forty hexadecimal digits, so that it can never be an option."""
    if not _SHA.fullmatch(text):
        raise Invalid("a commit is forty hexadecimal digits", Topic.GIT)
    return Sha(text)


def missing(path: str) -> Invalid:
    return Invalid([(path, "no such file at this commit")], Topic.GIT)


@contextlib.contextmanager
def remote_failures(remote: WebAddress) -> Iterator[None]:
    """Failures while talking to ``remote``: its refusals are the caller's, the rest the world's."""
    try:
        yield
    except GitFailed as failure:
        _log.info("git failed at %s: %s", remote.authority, failure.reason.strip()[-500:])
        if _REFUSED.search(failure.reason):
            raise Invalid(
                "the remote has no such repository or refused the credentials", Topic.GIT
            ) from None
        raise Unavailable("git remote", f"{remote.authority} did not answer as git does") from None
    except TooMuchOutput as excess:
        raise _too_much(excess) from None
    except TimeoutError:
        raise Unavailable("git remote", f"{remote.authority} took too long") from None


@contextlib.contextmanager
def read_failures() -> Iterator[None]:
    """Failures while reading a mirror: what was asked for is not in it."""
    try:
        yield
    except GitFailed as failure:
        _log.info("git failed to read: %s", failure.reason.strip()[-500:])
        raise Invalid("the repository has no such object", Topic.GIT) from None
    except TooMuchOutput as excess:
        raise _too_much(excess) from None
    except TimeoutError:
        raise Unavailable("git", "reading the mirror took too long") from None


def _too_much(excess: TooMuchOutput) -> OverLimit:
    return OverLimit(
        "the repository holds more than is read at once (bytes)",
        Topic.GIT,
        limit=excess.limit,
        actual=excess.actual,
    )

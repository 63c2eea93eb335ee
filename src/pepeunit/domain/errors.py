"""The refusal tree.

::

    Refused               the caller's doing; the message is safe to show
    ├── Invalid           carries every violation at once: (path, message)
    ├── Unauthenticated
    ├── Forbidden
    ├── NotFound          also for what the caller may not see (rulings 1)
    ├── Conflict
    ├── OverLimit         carries the limit and the actual value
    │   └── Throttled     try again after ``retry_after_seconds``
    └── Disabled          a feature flag is off
    Unavailable           the world's doing; names the dependency; retryable

Anything else that is raised is a bug. The domain knows no HTTP: each door owns one table
that turns a leaf and its topic into its own answer (rulings 2).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import ClassVar


class Topic(enum.Enum):
    """What a refusal is about; with the leaf it decides code and label on every door."""

    ACCESS = "access"
    ENTITY = "entity"
    USER = "user"
    PERMISSION = "permission"
    GIT = "git"
    REPO = "repo"
    UNIT = "unit"
    NODE = "node"
    PIPE = "pipe"
    JSON = "json"
    MQTT = "mqtt"
    UPDATE = "update"
    CIPHER = "cipher"
    REGISTRY = "registry"
    PLATFORM = "platform"
    GRAFANA = "grafana"
    FLAG = "flag"
    README = "readme"


class Refused(Exception):
    """The caller's doing. ``message`` is written for the caller and holds no secret."""

    default_topic: ClassVar[Topic] = Topic.ENTITY

    def __init__(self, message: str, topic: Topic | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.topic = topic if topic is not None else self.default_topic


class Invalid(Refused):
    """Input that breaks rules; ``violations`` lists every ``(path, message)`` found."""

    def __init__(
        self,
        violations: Iterable[tuple[str, str]] | str,
        topic: Topic | None = None,
    ) -> None:
        found = (("", violations),) if isinstance(violations, str) else tuple(violations)
        self.violations: tuple[tuple[str, str], ...] = found
        super().__init__(
            "; ".join(f"{path}: {text}" if path else text for path, text in found), topic
        )


class Unauthenticated(Refused):
    """The token is malformed, expired, revoked, or its subject is gone or blocked."""

    default_topic = Topic.ACCESS


class Forbidden(Refused):
    """The caller sees the object but lacks the right, or is the wrong kind of agent."""

    default_topic = Topic.ACCESS


class NotFound(Refused):
    """No such object, or none that the caller may see: one text for both (rulings 1)."""

    def __init__(self, message: str = "not found", topic: Topic | None = None) -> None:
        super().__init__(message, topic)


class Conflict(Refused):
    """The request is well formed but clashes with what is stored."""


class OverLimit(Refused):
    """A documented limit is exceeded; ``limit`` and ``actual`` share the unit named in the text."""

    def __init__(
        self,
        message: str,
        topic: Topic | None = None,
        *,
        limit: float,
        actual: float,
    ) -> None:
        super().__init__(message, topic)
        self.limit = limit
        self.actual = actual


class Throttled(OverLimit):
    """Too many or too early; allowed again after ``retry_after_seconds``."""

    def __init__(
        self,
        message: str,
        topic: Topic | None = None,
        *,
        limit: float,
        actual: float,
        retry_after_seconds: float,
    ) -> None:
        super().__init__(message, topic, limit=limit, actual=actual)
        self.retry_after_seconds = retry_after_seconds


class Disabled(Refused):
    """The feature is switched off on this instance."""

    default_topic = Topic.FLAG


class Unavailable(Exception):
    """The world's doing: ``dependency`` did not answer as it should. Retryable."""

    def __init__(self, dependency: str, message: str) -> None:
        super().__init__(f"{dependency}: {message}")
        self.dependency = dependency
        self.message = message

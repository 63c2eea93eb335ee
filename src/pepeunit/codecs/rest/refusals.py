"""Refusals as answers: one table from leaf and topic to status, code and label.

Spec rest.md 4, rulings 1-3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pepeunit.codecs.rest.violations import Violation
from pepeunit.domain.errors import (
    Disabled,
    Forbidden,
    NotFound,
    Refused,
    Throttled,
    Topic,
    Unauthenticated,
    Unavailable,
)

LABELS: Final[Mapping[Topic, tuple[int, str]]] = {
    Topic.ACCESS: (1, "No Access"),
    Topic.ENTITY: (2, "Validation Error"),
    Topic.USER: (3, "User Validation Error"),
    Topic.PERMISSION: (4, "Permission Validation Error"),
    Topic.GIT: (5, "Git Repo Validation Error"),
    Topic.REPO: (6, "Repo Validation Error"),
    Topic.UNIT: (7, "Unit Validation Error"),
    Topic.NODE: (8, "UnitNode Validation Error"),
    Topic.PIPE: (8, "DataPipe Validation Error"),
    Topic.JSON: (9, "JSON Decode Error"),
    Topic.MQTT: (10, "MQTT Error"),
    Topic.UPDATE: (11, "Update Error"),
    Topic.CIPHER: (12, "Cipher Error"),
    Topic.REGISTRY: (13, "Repository Registry Validation Error"),
    Topic.PLATFORM: (14, "Git Platform Client Error"),
    Topic.GRAFANA: (14, "Grafana Error"),
    Topic.FLAG: (15, "Feature Flag Error"),
    Topic.README: (16, "Readme Generation Error"),
}

OUTSIDE_PARTIES: Final[Mapping[str, Topic]] = {
    "git remote": Topic.GIT,
    "git platform": Topic.PLATFORM,
    "GitLab": Topic.PLATFORM,
    "GitHub": Topic.PLATFORM,
    "DNS": Topic.PLATFORM,
    "mqtt endpoint": Topic.MQTT,
}
"""Dependencies whose silence is told as a refusal (rulings 3); any other one is a store: 503."""

UNAVAILABLE: Final = (0, "Unavailable")
UNAVAILABLE_RETRY_SECONDS: Final = 1


@frozen
class Answer:
    """Status, the value of ``detail``, and headers beyond the usual ones."""

    status: int
    detail: Any
    headers: Mapping[str, str] = {}


def _coded(
    status: int, named: tuple[int, str], text: str, headers: Mapping[str, str] = {}
) -> Answer:
    code, label = named
    return Answer(status, f"{status}: {code}: {label}: {text}", headers)


def refusal_answer(refused: Refused) -> Answer:
    named = LABELS[refused.topic]
    match refused:
        case Forbidden() | Unauthenticated():
            return _coded(403, LABELS[Topic.ACCESS], refused.message)
        case NotFound():
            return _coded(422, LABELS[Topic.ENTITY], refused.message)
        case Disabled():
            return _coded(405, LABELS[Topic.FLAG], refused.message)
        case Throttled():
            wait = {"Retry-After": str(max(1, math.ceil(refused.retry_after_seconds)))}
            if refused.topic is Topic.REGISTRY:  # rulings 24
                return _coded(422, named, refused.message, wait)
            return _coded(429, LABELS[Topic.ACCESS], refused.message, wait)
        case _:
            return _coded(422, named, refused.message)


def unavailable_answer(unavailable: Unavailable) -> Answer:
    topic = OUTSIDE_PARTIES.get(unavailable.dependency)
    if topic is not None:
        return _coded(422, LABELS[topic], f"{unavailable.dependency}: {unavailable.message}")
    text = f"{unavailable.dependency} does not answer, try again"
    wait = {"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)}
    return _coded(503, UNAVAILABLE, text, wait)


def too_many_lists_answer(lists_max: int) -> Answer:
    text = f"at most {lists_max} lists without limit at a time"
    wait = {"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)}
    return _coded(503, UNAVAILABLE, text, wait)


def too_large_answer(bytes_max: int) -> Answer:
    return _coded(413, LABELS[Topic.ENTITY], f"the body may have at most {bytes_max} bytes")


def unreadable_answer() -> Answer:
    return _coded(422, LABELS[Topic.ENTITY], "the body could not be read")


def bug_answer(incident: str) -> Answer:
    return _coded(500, (0, "Internal Error"), f"incident {incident}")


def violations_answer(violations: Sequence[Violation]) -> Answer:
    return Answer(422, list(violations))

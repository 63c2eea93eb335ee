"""Requests counted and timed by route template (spec rest.md 10)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from pepeunit.codecs.exposition import Family, Sample

BUCKET_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_ROUTE: Final = "none"
"""The label of everything that met no route: what callers write never becomes a series."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "other"


class RequestMeter:
    """Plain running totals; one per application."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[tuple[str, str], list[float]] = {}
        """Counts by bucket, one beyond the last, then the sum."""

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answer. ``route`` is the template without a trailing slash."""
        if method not in METHODS:
            method = OTHER_METHOD
        answer = (route, method, status // 100)
        self._answers[answer] = self._answers.get(answer, 0) + 1
        timed = self._seconds.get((route, method))
        if timed is None:
            timed = self._seconds[route, method] = [0.0] * (len(BUCKET_SECONDS) + 2)
        timed[bisect_left(BUCKET_SECONDS, seconds)] += 1
        timed[-1] += seconds

    def families(self) -> Iterable[Family]:
        yield Family(
            "http_requests_total",
            "counter",
            "Requests by route, method and class of status.",
            tuple(
                Sample(count, {"handler": route, "method": method, "status": f"{hundreds}xx"})
                for (route, method, hundreds), count in sorted(self._answers.items())
            ),
        )
        yield Family(
            "http_request_duration_seconds",
            "histogram",
            "Seconds from request to answer by route and method.",
            tuple(
                sample
                for (route, method), timed in sorted(self._seconds.items())
                for sample in _histogram({"handler": route, "method": method}, timed)
            ),
        )


def _histogram(labels: dict[str, str], timed: list[float]) -> Iterable[Sample]:
    *counts, total = timed
    bounds = [*(f"{bound:g}" for bound in BUCKET_SECONDS), "+Inf"]
    for bound, below in zip(bounds, accumulate(counts), strict=True):
        yield Sample(below, {**labels, "le": bound}, "_bucket")
    yield Sample(total, labels, "_sum")
    yield Sample(sum(counts), labels, "_count")

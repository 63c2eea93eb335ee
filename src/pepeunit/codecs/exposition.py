"""The text format of metrics (Prometheus exposition format, version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from attrs import field, frozen

MEDIA_TYPE: Final = "text/plain; version=0.0.4"

Labels = Mapping[str, str]


@frozen
class Sample:
    """``suffix`` is what a histogram adds to the name: ``_bucket``, ``_sum``, ``_count``."""

    value: float
    labels: Labels = field(factory=dict)
    suffix: str = ""


@frozen
class Family:
    """Series of one name. A counter's name ends with ``_total``."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    describes: str
    samples: tuple[Sample, ...]

    @classmethod
    def one(
        cls, name: str, kind: Literal["counter", "gauge"], describes: str, value: float
    ) -> Family:
        """A family of a single series without labels."""
        return cls(name, kind, describes, (Sample(value),))


def render(families: Iterable[Family]) -> bytes:
    """The whole page; every label value is escaped."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escaped(family.describes)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"
            for sample in family.samples
        ]
    return ("\n".join(lines) + "\n").encode()


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(
        '{}="{}"'.format(name, _escaped(text).replace('"', '\\"')) for name, text in labels.items()
    )
    return f"{{{inside}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))

"""The rule of a rollout: in which stages a repo's units move, and when that has to stop.

A repo's creator stores one over REST, or ``[rollout]`` in ``pepeunit.toml`` of the target commit
gives it, reviewed like code. The file wins: it belongs to the very version that it releases.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic

PROGRAM_FILE: Final = "pepeunit.toml"
SECTION: Final = "rollout"
STAGES_MAX: Final = 20
COUNT_MAX: Final = 10_000_000
SECONDS_MAX: Final = 30 * 24 * 3600
_STAGE: Final = re.compile(r"([0-9]{1,8})(%?)")
_KEYS: Final = ("stages", "pause_seconds", "failures_max", "window_seconds")


class RuleSource(enum.Enum):
    """Where a rollout's rule came from."""

    DEFAULT = "Default"
    SETTING = "Setting"
    FILE = "File"


@frozen
class Stage:
    """How many units have moved when the stage is over: a share of all in percent, or a count."""

    value: int
    is_percent: bool

    def reach(self, units: int) -> int:
        """The same as a number of ``units``; a share rounds up, so that no stage is empty."""
        return min(units, -(-self.value * units // 100) if self.is_percent else self.value)

    def __str__(self) -> str:
        return f"{self.value}%" if self.is_percent else str(self.value)


@frozen
class RolloutRule:
    """Without stages all units move at once; without ``failures_max`` nothing stops by itself.

    ``window_seconds`` None counts every failure since the rollout began or was resumed. The units
    that the last stage leaves out follow in one more.
    """

    stages: tuple[Stage, ...] = ()
    pause_seconds: float = 0.0
    failures_max: int | None = None
    window_seconds: float | None = None

    def ends(self, units: int) -> tuple[int, ...]:
        """Where each stage ends in the order of units; the last number is ``units``.

        Stages that add no unit fall away. Without units there is no stage.
        """
        found: list[int] = []
        for reach in (*(stage.reach(units) for stage in self.stages), units):
            if reach > (found[-1] if found else 0):
                found.append(reach)
        return tuple(found)


ALL_AT_ONCE: Final = RolloutRule()


def read_rule(document: Mapping[str, Any], path: str = SECTION) -> RolloutRule:
    """The rule that a mapping spells out: ``stages`` as ``["10", "50%"]``, and three numbers.

    Raises ``Invalid`` (topic update) with every violation, unknown names among them.
    """
    violations = [(f"{path}.{key}", "is unknown") for key in document if key not in _KEYS]
    stages, wrong = _stages(document.get("stages", ()), f"{path}.stages")
    violations += wrong
    for key, least, most, is_whole in (
        ("pause_seconds", 0, SECONDS_MAX, False),
        ("failures_max", 1, COUNT_MAX, True),
        ("window_seconds", 1, SECONDS_MAX, False),
    ):
        number = document.get(key)
        if number is not None and not _is_within(number, least, most, is_whole):
            kind = "a whole number" if is_whole else "a number"
            violations.append((f"{path}.{key}", f"must be {kind} from {least} to {most}"))
    if document.get("window_seconds") is not None and document.get("failures_max") is None:
        violations.append((f"{path}.window_seconds", "needs failures_max"))
    if violations:
        raise Invalid(violations, Topic.UPDATE)
    window = document.get("window_seconds")
    return RolloutRule(
        stages=tuple(stages),
        pause_seconds=float(document.get("pause_seconds") or 0),
        failures_max=document.get("failures_max"),
        window_seconds=None if window is None else float(window),
    )


def rule_document(rule: RolloutRule) -> dict[str, Any]:
    """What :func:`read_rule` reads."""
    return {
        "stages": [str(stage) for stage in rule.stages],
        "pause_seconds": rule.pause_seconds,
        "failures_max": rule.failures_max,
        "window_seconds": rule.window_seconds,
    }


def read_program_rule(content: bytes) -> RolloutRule | None:
    """The rule in ``pepeunit.toml``, None when the file has no ``[rollout]``.

    A file that is no TOML and never says ``rollout`` only fails as a README. Raises ``Invalid``
    (topic update) with every violation.
    """
    try:
        section = tomllib.loads(content.decode()).get(SECTION)
    except (ValueError, RecursionError):
        if SECTION.encode() not in content:
            return None
        raise Invalid([(PROGRAM_FILE, "is not UTF-8 TOML")], Topic.UPDATE) from None
    if section is None:
        return None
    if not isinstance(section, dict):
        raise Invalid([(f"{PROGRAM_FILE}: {SECTION}", "must be a table")], Topic.UPDATE)
    return read_rule(section, f"{PROGRAM_FILE}: {SECTION}")


def _is_within(number: object, least: int, most: int, is_whole: bool) -> bool:
    if isinstance(number, bool) or not isinstance(number, int if is_whole else int | float):
        return False
    return bool(least <= number <= most)


def _stages(given: Any, path: str) -> tuple[list[Stage], list[tuple[str, str]]]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        return [], [(path, "must be a list")]
    if len(given) > STAGES_MAX:
        return [], [(path, f"has {len(given)} stages, at most {STAGES_MAX} are allowed")]
    stages: list[Stage] = []
    violations: list[tuple[str, str]] = []
    for index, text in enumerate(given):
        stage = _stage(text)
        if stage is None:
            violations.append(
                (f"{path}[{index}]", f"must be 1% to 100% or a count from 1 to {COUNT_MAX}")
            )
        else:
            stages.append(stage)
    return stages, violations or list(_order_violations(stages, path))


def _order_violations(stages: Sequence[Stage], path: str) -> Iterable[tuple[str, str]]:
    highest = {True: 0, False: 0}
    for index, stage in enumerate(stages):
        if stage.value <= highest[stage.is_percent]:
            yield f"{path}[{index}]", "must be more than the stages before it"
        highest[stage.is_percent] = max(stage.value, highest[stage.is_percent])


def _stage(given: object) -> Stage | None:
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    match = _STAGE.fullmatch(text)
    if match is None:
        return None
    value, is_percent = int(match[1]), bool(match[2])
    return Stage(value, is_percent) if 1 <= value <= (100 if is_percent else COUNT_MAX) else None

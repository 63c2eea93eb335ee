"""Configs and vectors for the tests of pipes."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pepeunit.domain.pipes.config import PipeConfig
from pepeunit.domain.pipes.validation import read_config

VECTORS_FILE = Path(__file__).with_name("vectors.yaml")
VECTORS: dict[str, Any] = yaml.safe_load(VECTORS_FILE.read_text())
MORE_FILE = VECTORS_FILE.with_name("more_vectors.yaml")
STREAMS = [*VECTORS["stream"], *yaml.safe_load(MORE_FILE.read_text())["stream"]]
"""Of the specification, and ours."""
EPOCH_MS = 1_740_787_200_000
"""The vectors' t = 0."""

LAST_VALUE = {"policy_type": "LastValue"}
N_RECORDS = {"policy_type": "NRecords", "n_records_count": 10}
TIME_WINDOW = {"policy_type": "TimeWindow", "time_window_size": 60}


def aggregation(function: str = "Sum", seconds: int = 60) -> dict[str, Any]:
    return {
        "policy_type": "Aggregation",
        "time_window_size": seconds,
        "aggregation_functions": function,
    }


def document(
    policy: dict[str, Any] | None = None,
    *,
    period: dict[str, Any] | None = None,
    transformations: dict[str, Any] | None = None,
    **filters: Any,
) -> dict[str, Any]:
    """A valid config, Number unless told otherwise."""
    made = {
        "active_period": period or {"type": "Permanent"},
        "filters": {"type_input_value": "Number", "max_rate": 0, "max_size": 0, **filters},
        "transformations": transformations,
        "processing_policy": policy or LAST_VALUE,
    }
    return deepcopy(made)


def config(*arguments: Any, **keys: Any) -> PipeConfig:
    return read_config(document(*arguments, **keys))


def close(found: Any, wanted: Any) -> bool:
    """Keys that are not wanted do not count, numbers are equal to 1e-9 of themselves."""
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(close, found, wanted))
    if isinstance(wanted, dict):
        return found is not None and all(close(found[key], value) for key, value in wanted.items())
    if isinstance(wanted, float):
        return bool(found == pytest.approx(wanted, rel=1e-9))
    return bool(found == wanted)

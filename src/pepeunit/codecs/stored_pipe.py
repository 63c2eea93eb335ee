"""What stores read off a validated pipe config without running it (spec datapipe.md 2)."""

from __future__ import annotations

import json

N_RECORDS = "NRecords"


def record_limit(config: str | None) -> int | None:
    """The NRecords limit of a stored config, ``None`` under another policy or without a config."""
    policy = _section(config, "processing_policy")
    count = policy.get("n_records_count")
    if policy.get("policy_type") != N_RECORDS or not isinstance(count, int):
        return None
    return count


def _section(config: str | None, name: str) -> dict[str, object]:
    try:
        document = json.loads(config or "null")
    except ValueError:
        return {}
    section = document.get(name) if isinstance(document, dict) else None
    return section if isinstance(section, dict) else {}

"""The page of settings, made by ``python -m pepeunit.entrypoints.settings_page``."""

from __future__ import annotations

import sys

import attrs

from pepeunit.entrypoints.setting_values import METADATA_KEY, Setting
from pepeunit.entrypoints.settings import (
    GROUPS,
    OTHER_NAMES,
    WITHOUT_USE,
    Settings,
    known_settings,
)

HEAD = """\
# Settings

Every setting is an environment variable. An empty one counts as not set. All mistakes are told at
once at start; unknown `PU_*` names are warned about. Secrets are never printed.

| name | default | what it does |
|---|---|---|
"""

OTHERS = """
## Names of the reference platform

| name | here |
|---|---|
"""


def settings_page() -> str:
    """The whole page as Markdown."""
    rows = [
        f"| `{known.name}` | {_cell(known.default_text)} | {known.description}"
        f"{' **Secret.**' if known.secret else ''}"
        f"{' *Accepted, has no effect yet.*' if not known.built else ''} |\n"
        for known in known_settings()
    ]
    others = [f"| `{name}` | `{meant}` |\n" for name, meant in OTHER_NAMES.items()]
    without = [f"| `{name}` | no use: {reason} |\n" for name, reason in WITHOUT_USE.items()]
    return HEAD + "".join(rows) + OTHERS + "".join(others) + "".join(without)


def settings_in_effect(settings: Settings) -> str:
    """``NAME=value`` lines, secrets masked, the changed ones marked."""
    lines = []
    for group in GROUPS:
        values = getattr(settings, group)
        for one in attrs.fields(type(values)):
            known: Setting = one.metadata[METADATA_KEY]
            value = getattr(values, one.name)
            shown = "(secret)" if known.secret and value else _in_effect(value)
            mark = "" if value == one.default else "  # set"
            lines.append(f"{known.name}={shown}{mark}")
    return "\n".join(lines)


def _in_effect(value: object) -> str:
    """As it would be set."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(map(str, value))
        case frozenset():
            return ",".join(sorted(map(str, value)))
    return str(value)


def _cell(default: str) -> str:
    return default if " " in default or "`" in default or default == "empty" else f"`{default}`"


if __name__ == "__main__":
    sys.stdout.write(settings_page())

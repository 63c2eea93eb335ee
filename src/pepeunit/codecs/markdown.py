"""Markdown in which text stays text: nothing a person wrote becomes markup, a table or a script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

_SIGNS: Final = re.compile(r"([\\`*_\[\]|~])")
_START: Final = re.compile(r"^([0-9]*)([#+\-=]|(?<=[0-9])[.)](?= |$))")
"""What begins a heading or a list at the start of a line."""
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_ADDRESS_SIGNS: Final = "%/:?#@!$&'*+,;=-._~[]"


def plain(value: Any) -> str:
    """A value as one line of text; numbers as they are, lists and tables as JSON."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool | int | float | list | dict):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    safe = "<br>".join(_SIGNS.sub(r"\\\1", line).translate(_HTML) for line in lines if line)
    return _START.sub(r"\1\\\2", safe)


def code(value: Any) -> str:
    """The value in backticks; empty for an empty one."""
    text = " ".join(str(value).split()).replace("|", "\\|")
    if not text:
        return ""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"


def is_web_address(text: str) -> bool:
    """Whether it is an absolute http or https address."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def link(text: Any, target: Any, *, is_markup: bool = False) -> str:
    """A link where the target is a web address, else the text alone."""
    shown = text if is_markup else plain(text)
    if not is_web_address(str(target)):
        return str(shown)
    return f"[{shown}]({_address(str(target))})"


def image(target: str) -> str:
    """One centred image; the target must be a web address."""
    return f'<div align="center"><img align="center" src="{_address(target)}"></div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are markdown already."""
    lines = [head, ["--"] * len(head), *rows]
    return "\n".join(" | ".join(line) for line in lines)


def _address(text: str) -> str:
    return quote(text.strip(), safe=_ADDRESS_SIGNS).replace("&", "&amp;")

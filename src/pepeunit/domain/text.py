"""Text that came from a device, made into text that every store can hold."""

from __future__ import annotations


def storable_text(text: str) -> str:
    """Without NULs; half a surrogate pair becomes a question mark."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()

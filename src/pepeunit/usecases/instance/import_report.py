"""What an import took over and what it left (issue 3 part 6)."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from pepeunit.ports.reference import Skipped


@define
class Report:
    """``imported`` counts rows by kind."""

    imported: Counter[str] = field(factory=Counter)
    skipped: list[Skipped] = field(factory=list)

    def skip(self, kind: str, name: object, reason: str) -> None:
        self.skipped.append(Skipped(kind, str(name), reason))

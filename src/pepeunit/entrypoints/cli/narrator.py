"""Tells a person, step by step, what happens and when."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from attrs import define, field


@define(eq=False)
class Narrator:
    """Writes lines with the time since its making; bold and dim on a terminal only."""

    out: TextIO = field(factory=lambda: sys.stdout)
    _began: float = field(factory=time.monotonic, init=False)
    _steps: int = field(default=0, init=False)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def step(self, title: str) -> None:
        self._steps += 1
        self._write(f"{self.seconds:6.1f} s  {self._bold(f'{self._steps:2}. {title}')}")

    def fact(self, text: str) -> None:
        self._write(f"              {text}")

    def device(self, line: str) -> None:
        self._write(self._dim(f"              device | {line}"))

    def closing(self, title: str, rows: Mapping[str, str]) -> None:
        """A title and a table under it."""
        width = max(map(len, rows), default=0)
        self._write(f"\n{self._bold(title)}")
        for name, text in rows.items():
            self._write(f"  {name:<{width}}  {text}")
        self._write("")

    def _write(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self.out.isatty() else text

    def _dim(self, text: str) -> str:
        return f"\033[2m{text}\033[0m" if self.out.isatty() else text

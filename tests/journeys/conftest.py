"""The real command in real processes, on free ports and in temporary folders."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from attrs import define, field

PEPEUNIT = (sys.executable, "-m", "pepeunit.entrypoints.main")
START_SECONDS_MAX = 60.0


def environment(**settings: str) -> dict[str, str]:
    """Ours without any setting of the platform, then these."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("PU_")}
    return clean | {"PYTHONUNBUFFERED": "1"} | settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pepeunit(
    *argv: str, seconds: float = 60.0, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*PEPEUNIT, *argv],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@define(eq=False)
class Served:
    """A running ``pepeunit serve``; ``printed`` is its announcement."""

    data_dir: Path
    http_port: int
    mqtt_port: int
    settings: dict[str, str] = field(factory=dict)
    program: Sequence[str] = PEPEUNIT
    printed: str = ""
    _process: subprocess.Popen[str] | None = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/pepeunit/api/v1"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def argv(self) -> Sequence[str]:
        return (
            *("serve", "--data-dir", str(self.data_dir), "--host", "127.0.0.1"),
            *("--http-port", str(self.http_port), "--mqtt-port", str(self.mqtt_port)),
        )

    def start(self) -> float:
        """Seconds until it announced itself."""
        began = time.monotonic()
        self.launch()
        self.wait_until_up()
        return time.monotonic() - began

    def launch(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.data_dir / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [*self.program, *self.argv()],
                env=environment(**self.settings),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def wait_until_up(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        lines: queue.Queue[str | None] = queue.Queue()

        def read(stream: Iterator[str]) -> None:
            for line in stream:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, args=(self._process.stdout,), daemon=True).start()
        self.printed = ""
        deadline = time.monotonic() + START_SECONDS_MAX
        while "Ctrl-C" not in self.printed:
            line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line is not None, f"serve ended: {self.stderr()}"
            self.printed += line

    def stderr(self) -> str:
        return (self.data_dir / "stderr").read_text()[-2000:]

    def ended(self) -> int:
        """The exit code of a platform that ends by itself."""
        assert self._process is not None
        return self._process.wait(START_SECONDS_MAX)

    def end(self, signum: signal.Signals) -> tuple[int, float]:
        """Exit code and seconds; nothing to do when it is not running."""
        if self._process is None:
            return 0, 0.0
        began = time.monotonic()
        self._process.send_signal(signum)
        code = self._process.wait(START_SECONDS_MAX)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code, time.monotonic() - began


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Not started yet."""
    platform = Served(tmp_path / "data", free_port(), free_port())
    yield platform
    platform.end(signal.SIGTERM)

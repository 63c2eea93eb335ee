"""How long a person waits: starts, stops and the whole demo, in real processes."""

from __future__ import annotations

import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROUNDS = 5
START_SECONDS_MAX = 60.0
PEPEUNIT = (sys.executable, "-m", "pepeunit.entrypoints.main")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(data_dir: Path, http_port: int) -> tuple[subprocess.Popen[bytes], float]:
    """A started platform and the seconds to its first answer."""
    began = time.monotonic()
    process = subprocess.Popen(
        [
            *(*PEPEUNIT, "serve", "--data-dir", str(data_dir), "--host", "127.0.0.1"),
            *("--http-port", str(http_port), "--mqtt-port", str(free_port())),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while time.monotonic() - began < START_SECONDS_MAX:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/pepeunit"):
                return process, time.monotonic() - began
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.005)
    raise SystemExit(f"serve did not answer: {process.poll()}")


def ended(process: subprocess.Popen[bytes], signum: signal.Signals) -> float:
    began = time.monotonic()
    process.send_signal(signum)
    process.wait()
    return time.monotonic() - began


def one_life(folder: Path, figures: dict[str, list[float]]) -> None:
    port = free_port()
    for name, signum in (
        ("serve to first answer, first start", signal.SIGTERM),
        ("serve to first answer, later", signal.SIGKILL),
        ("serve to first answer, after kill -9", signal.SIGTERM),
    ):
        process, seconds = serve(folder, port)
        figures.setdefault(name, []).append(seconds)
        stopped = ended(process, signum)
        if signum is signal.SIGTERM:
            figures.setdefault("SIGTERM to the end", []).append(stopped)


def demo(folder: Path, figures: dict[str, list[float]]) -> None:
    began = time.monotonic()
    command = [*PEPEUNIT, "demo", "--once", "--data-dir", str(folder)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    figures.setdefault("pepeunit demo --once, whole process", []).append(time.monotonic() - began)


def main(rounds: int) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    figures: dict[str, list[float]] = {}
    parts: tuple[Callable[[Path, dict[str, list[float]]], None], ...] = (one_life, demo)
    for part in parts:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                part(Path(name) / "data", figures)
    print("| seconds | median | worst | times |\n|---|---|---|---|")
    for name, seconds in figures.items():
        worst = max(seconds)
        print(f"| {name} | {statistics.median(seconds):.2f} | {worst:.2f} | {len(seconds)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)

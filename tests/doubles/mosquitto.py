"""A mosquitto of our own, set up as docs/how-to/external-broker.md says; it can be restarted."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

from attrs import define, field

START_SECONDS_MAX: Final = 10.0
SETTINGS: Final = {
    "max_inflight_messages": "65535",
    "max_queued_messages": "1000000",
    "max_queued_bytes": "0",
    "max_inflight_bytes": "0",
    "set_tcp_nodelay": "true",
    "persistent_client_expiration": "1d",
}
"""What differs from mosquitto's own defaults for the sake of the platform's client."""


def executable() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@define(eq=False)
class Mosquitto:
    """``stop`` ends it cleanly: it writes its sessions down; ``start`` again goes on with them."""

    folder: Path
    port: int
    settings: dict[str, str] = field(factory=lambda: dict(SETTINGS))
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self.folder}/",
            "log_dest none",
            *(f"{name} {value}" for name, value in self.settings.items()),
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        config.write_text("\n".join(lines) + "\n")
        program = executable()
        assert program is not None, "mosquitto is not installed"
        self._process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.poll() is None, "mosquitto ended"
            assert time.monotonic() < deadline, "mosquitto did not start"
            threading.Event().wait(0.02)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS_MAX)
            self._process = None

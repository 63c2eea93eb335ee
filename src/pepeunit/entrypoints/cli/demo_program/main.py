"""A thermometer: the program a Pepeunit device runs, in one file of plain Python.

It needs paho-mqtt and nothing of the platform. The platform puts ``env.json`` (how to reach it,
and this device's own token) and ``schema.json`` (the topics) beside it; start it in that folder:

    python main.py

It reports its state, publishes a temperature, prints what arrives on its input and obeys the
four commands of the platform: Update, EnvUpdate, SchemaUpdate and LogSync.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import queue
import shutil
import sys
import tarfile
import time
import urllib.request
import zlib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

RELEASE = 1

PROGRAM = Path(__file__).resolve().parent
STAGING = PROGRAM.with_name(f"{PROGRAM.name}.staging")
PREVIOUS = PROGRAM.with_name(f"{PROGRAM.name}.previous")
WINDOW_BITS = 9
ARCHIVE_BYTES_MAX = 64 * 2**20
REQUEST_SECONDS_MAX = 15
REQUEST_TRIES = 5
COMMANDS_WAITING_MAX = 64
REQUIRED_FILES = ("main.py", "env.json", "schema.json")


def read_json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PROGRAM / name).read_text())
    return found


def write_json(name: str, value: object) -> None:
    """Replace the file in one step, so that a power cut leaves the old or the new one."""
    fresh = PROGRAM / f"{name}.new"
    fresh.write_text(json.dumps(value, indent=4))
    fresh.replace(PROGRAM / name)


class Device:
    def __init__(self) -> None:
        self.env = read_json("env.json")
        self.schema = read_json("schema.json")
        self.unit = unit_of(self.env["PU_AUTH_TOKEN"])
        self.log: list[dict[str, str]] = []
        self.inbox: queue.Queue[tuple[int, mqtt.MQTTMessage | None]] = queue.Queue(
            COMMANDS_WAITING_MAX
        )
        self.connection = 0
        self.asked: set[int | None] = set()
        self.set_point = float(self.env["START_TEMPERATURE"])
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.unit,
            protocol=mqtt.MQTTv311,
            manual_ack=True,  # only when it is done: what a restart interrupts comes again
        )
        self.client.username_pw_set(self.env["PU_AUTH_TOKEN"], "")
        self.client.reconnect_delay_set(1, 10)
        self.client.on_connect = self.connected
        self.client.on_subscribe = self.subscribed
        self.client.on_message = self.received

    # the MQTT thread

    def connected(self, client: mqtt.Client, _: object, __: object, reason: Any, *___: Any) -> None:
        if reason.is_failure:
            self.note("Error", f"the platform refused the connection: {reason}")
            return
        self.asked.clear()
        for section in ("input_base_topic", "input_topic"):
            for topics in self.schema[section].values():
                for topic in topics:
                    self.asked.add(client.subscribe(topic, 1)[1])
        self.connection += 1

    def subscribed(self, _: mqtt.Client, __: object, asked: int, *___: Any) -> None:
        """Connected is who hears everything: what came before the last answer is lost."""
        if asked in self.asked:
            self.asked.remove(asked)
            if not self.asked:
                self.inbox.put((self.connection, None))

    def received(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        try:
            self.inbox.put_nowait((self.connection, message))
        except queue.Full:
            self.note("Warning", "too many messages, one dropped")

    # the main thread

    def run(self) -> None:
        self.note("Info", f"release {RELEASE}, commit {self.env['PU_COMMIT_VERSION'][:8]}")
        host, port = self.env["PU_MQTT_HOST"], int(self.env["PU_MQTT_PORT"])
        self.client.connect_async(host, port, int(self.env["PU_MQTT_KEEPALIVE"]))
        self.client.loop_start()
        next_state = next_measurement = math.inf
        while True:
            now = time.monotonic()
            if now >= next_state:
                self.publish("output_base_topic", "state/pepeunit", self.state())
                next_state = now + float(self.env["PU_STATE_SEND_INTERVAL"])
            if now >= next_measurement:
                self.publish("output_topic", "temperature/pepeunit", f"{self.temperature():.2f}")
                next_measurement = now + float(self.env["MEASURE_SECONDS"])
            try:
                due = max(0.0, min(next_state, next_measurement, now + 1) - now)
                connection, message = self.inbox.get(timeout=due)
            except queue.Empty:
                continue
            if message is None:
                self.note("Info", "connected")
                next_state = next_measurement = 0.0
            else:
                self.obey(message.topic, message.payload.decode("utf-8", "replace"))
                if connection == self.connection:
                    self.client.ack(message.mid, message.qos)

    def obey(self, topic: str, text: str) -> None:
        word = next(
            (w for w, topics in self.schema["input_base_topic"].items() if topic in topics), None
        )
        try:
            match word:
                case "update/pepeunit":
                    self.update(json.loads(text))
                case "env_update/pepeunit":
                    write_json("env.json", self.fetch_json(f"units/env/{self.unit}"))
                    self.env = read_json("env.json")
                    self.note("Info", "env.json is up to date")
                case "schema_update/pepeunit":
                    self.read_schema()
                case "log_sync/pepeunit":
                    self.publish("output_base_topic", "log/pepeunit", json.dumps(self.log))
                case _:
                    self.take_input(topic, text)
        except Exception as error:  # whatever a message breaks, the next one is obeyed
            self.note("Error", f"{word or topic}: {type(error).__name__}: {error}")

    def take_input(self, topic: str, text: str) -> None:
        for name, topics in self.schema["input_topic"].items():
            if topic in topics:
                self.note("Info", f"input {name} = {text}")
                if name == "set_point/pepeunit":
                    self.set_point = float(text)

    def read_schema(self) -> None:
        write_json("schema.json", self.fetch_json(f"units/get_current_schema/{self.unit}"))
        self.schema = read_json("schema.json")
        for section in ("input_base_topic", "input_topic"):
            for topics in self.schema[section].values():
                for topic in topics:
                    self.client.subscribe(topic, 1)
        self.note("Info", "schema.json is up to date")

    def update(self, command: dict[str, Any]) -> None:
        """Load, unpack and check the new version beside this one, swap the two, start it.

        The old version stays in ``<folder>.previous``; move it back to roll back.
        """
        wanted = command["PU_COMMIT_VERSION"]
        if wanted == self.env["PU_COMMIT_VERSION"]:
            self.publish("output_base_topic", "state/pepeunit", self.state())
            return
        self.note("Info", f"update to commit {wanted[:8]}")
        path = f"units/firmware/tgz/{self.unit}?wbits={WINDOW_BITS}&level=9"
        unpack(self.fetch(path), STAGING)
        missing = [name for name in REQUIRED_FILES if not (STAGING / name).is_file()]
        if missing:
            raise ValueError(f"the archive lacks {', '.join(missing)}")
        compile((STAGING / "main.py").read_bytes(), "main.py", "exec")
        self.client.disconnect()
        self.client.loop_stop()
        shutil.rmtree(PREVIOUS, ignore_errors=True)
        PROGRAM.rename(PREVIOUS)
        STAGING.rename(PROGRAM)
        print("restart", flush=True)
        os.chdir(PROGRAM)
        os.execv(sys.executable, [sys.executable, str(PROGRAM / "main.py")])

    def temperature(self) -> float:
        return self.set_point + 0.5 * math.sin(time.time() / 10)

    def state(self) -> str:
        page = os.sysconf("SC_PAGE_SIZE")
        return json.dumps(
            {
                "millis": int(time.time() * 1000),
                "mem_free": page * os.sysconf("SC_AVPHYS_PAGES"),
                "mem_alloc": page * int(Path("/proc/self/statm").read_text().split()[1]),
                "pu_commit_version": self.env["PU_COMMIT_VERSION"],
            }
        )

    def publish(self, section: str, name: str, text: str) -> None:
        for topic in self.schema[section].get(name, ()):
            self.client.publish(topic, text, 1)

    def note(self, level: str, text: str) -> None:
        print(text, flush=True)
        now = datetime.now(timezone.utc).isoformat()  # noqa: UP017
        self.log.append({"level": level, "text": text[:256], "create_datetime": now})
        del self.log[: -int(self.env["PU_MAX_LOG_LENGTH"])]

    def fetch_json(self, path: str) -> Any:
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        env = self.env
        url = (
            f"{env['PU_HTTP_TYPE']}://{env['PU_DOMAIN']}"
            f"{env['PU_APP_PREFIX']}{env['PU_API_ACTUAL_PREFIX']}/{path}"
        )
        request = urllib.request.Request(url, headers={"x-auth-token": env["PU_AUTH_TOKEN"]})
        for tried in range(1, REQUEST_TRIES + 1):
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as answer:
                    return bytes(answer.read(ARCHIVE_BYTES_MAX))
            except OSError as error:
                if tried == REQUEST_TRIES:
                    raise
                self.note("Warning", f"{path.split('?', maxsplit=1)[0]}: {error}; trying again")
                time.sleep(2 ** (tried - 1))
        raise AssertionError("unreachable")


def unit_of(token: str) -> str:
    """The unit's uuid, from the middle part of its token."""
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["uuid"])


def unpack(archive: bytes, folder: Path) -> None:
    """Raises ``ValueError`` for anything but plain files and directories inside ``folder``."""
    inflate = zlib.decompressobj(WINDOW_BITS)
    whole = inflate.decompress(archive, ARCHIVE_BYTES_MAX)
    if not inflate.eof:
        raise ValueError("the archive is incomplete or too large")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(whole)) as members:
        for member in members:
            target = (folder / member.name).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise ValueError(f"{member.name} leads out of the folder")
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                target.parent.mkdir(parents=True, exist_ok=True)
                content = members.extractfile(member)
                target.write_bytes(content.read() if content else b"")
            else:
                raise ValueError(f"{member.name} is neither a file nor a directory")


if __name__ == "__main__":
    try:
        Device().run()
    except KeyboardInterrupt:
        sys.exit(0)

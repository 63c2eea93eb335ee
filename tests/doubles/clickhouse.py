"""A ClickHouse server for tests: its HTTP interface in front of the real embedded engine.

It runs in a process of its own (``python -m tests.doubles.clickhouse FOLDER PORT``), because the
engine allows one folder a process. It speaks what the client library needs: ping, statements in
the body or in ``query``, parameters and settings in the address or a form, Native blocks in and
out, compression both ways, errors with their code. What the real one refuses it refuses:
a wrong password, an unknown setting or database, an unknown encoding, a change over GET.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import gzip
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import lz4.frame
from attrs import define, field

USER: Final = "pepeunit"
PASSWORD: Final = 'it\'s a "secret" @ 100%'
TRANSPORT: Final = {
    "query",
    "database",
    "user",
    "password",
    "session_id",
    "session_timeout",
    "session_check",
    "query_id",
    "quota_key",
    "default_format",
    "compress",
    "decompress",
    "buffer_size",
    "wait_end_of_query",
    "enable_http_compression",
    "client_protocol_version",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "cancel_http_readonly_queries_on_client_close",
    "role",
}
START_SECONDS_MAX: Final = 20.0
FAULTS_PATH: Final = "/double/faults"


@define
class Faults:
    """What is wrong at the moment.

    ``unavailable``: every connection is cut without an answer. ``rows_a_second``: the capacity
    for inserts, 0 for no limit. ``lost_answers``: so many inserts are stored and not answered.
    ``refused_with``: the code every insert is refused with, 0 for none.
    """

    unavailable: bool = False
    rows_a_second: float = 0.0
    lost_answers: int = 0
    refused_with: int = 0


class Engine:
    """The embedded engine, a handle for each request."""

    def __init__(self, folder: str) -> None:
        import chdb

        self._connect = lambda: chdb.connect(folder)
        self._first = self._connect()
        self.faults = Faults()
        self.capacity = threading.Lock()

    @contextlib.contextmanager
    def handle(self, settings: dict[str, str], database: str | None) -> Iterator[Any]:
        handle = self._connect()
        try:
            if database:
                handle.query(f"USE `{database}`")
            for name, value in settings.items():
                if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                    raise RuntimeError("Code: 115. DB::Exception: Unknown setting")
                text = value.replace("\\", "\\\\").replace("'", "\\'")
                handle.query(f"SET {name} = '{text}'")
            yield handle
        finally:
            handle.close()


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine: Engine

    def log_message(self, *_: object) -> None:
        """Nothing is written."""

    def do_GET(self) -> None:
        self._answer(changing=False)

    def do_POST(self) -> None:
        self._answer(changing=True)

    def _answer(self, *, changing: bool) -> None:
        body = self._body()
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if path == FAULTS_PATH:
            self.engine.faults = Faults(**json.loads(body))
            self._send(200, b"")
            return
        if self.engine.faults.unavailable:
            self._cut()
            return
        if path == "/ping":
            self._send(200, b"Ok.\n")
            return
        given = dict(parse_qsl(query, keep_blank_values=True))
        try:
            self._refuse_strangers(given)
            given, body = self._form(given, body)
            self._run(given, body, changing=changing)
        except RuntimeError as error:
            self._refuse(str(error))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        linger = b"\1\0\0\0\0\0\0\0"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        encoding = self.headers.get("Content-Encoding")
        if encoding == "lz4":
            return lz4.frame.decompress(body)
        if encoding == "gzip":
            return gzip.decompress(body)
        return body

    def _refuse_strangers(self, given: dict[str, str]) -> None:
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}" or "password" in given:
            raise RuntimeError(
                "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there "
                "is no user with such name. (AUTHENTICATION_FAILED)"
            )
        if self.headers.get("Content-Encoding") not in (None, "lz4", "gzip", "identity"):
            raise RuntimeError("Code: 37. DB::Exception: Unknown Content-Encoding")

    def _form(self, given: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return given, body
        text = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
        form = email.message_from_bytes(text, policy=email.policy.HTTP)
        fields = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in form.iter_parts()
        }
        return {**given, **{str(k): v.decode() for k, v in fields.items()}}, b""

    def _run(self, given: dict[str, str], body: bytes, *, changing: bool) -> None:
        values = {n.removeprefix("param_"): v for n, v in given.items() if n.startswith("param_")}
        settings = {
            name: value
            for name, value in given.items()
            if name not in TRANSPORT and not name.startswith("param_")
        }
        if not changing:
            settings["readonly"] = "1"
        statement = given.get("query", "").encode()
        with self.engine.handle(settings, given.get("database")) as handle:
            whole = statement + (b"\n" if statement and body else b"") + body
            if found := re.match(rb"\s*(INSERT INTO [^\n]*) FORMAT (\w+)\n", whole):
                self._insert(handle, found[1].decode(), found[2].decode(), whole[found.end() :])
            else:
                self._query(handle, whole.decode(), given, values)

    def _insert(self, handle: Any, statement: str, form: str, block: bytes) -> None:
        faults = self.engine.faults
        if faults.refused_with:
            raise RuntimeError(f"Code: {faults.refused_with}. DB::Exception: as asked")
        with tempfile.NamedTemporaryFile(suffix=".block") as file:
            file.write(block)
            file.flush()
            done = handle.query(f"{statement} FROM INFILE '{file.name}' FORMAT {form}")
        rows = done.rows_read()
        if faults.rows_a_second:
            with self.engine.capacity:
                time.sleep(rows / faults.rows_a_second)
        if faults.lost_answers:
            faults.lost_answers -= 1
            self._cut()
            return
        self._send(200, b"", {"X-ClickHouse-Summary": json.dumps({"written_rows": str(rows)})})

    def _query(
        self, handle: Any, statement: str, given: dict[str, str], values: dict[str, str]
    ) -> None:
        found = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", statement, re.IGNORECASE)
        form = found[1] if found else "TabSeparated"
        headers = {"X-ClickHouse-Format": form, "X-ClickHouse-Timezone": "UTC"}
        if form == "Native" and "wait_end_of_query" not in given:
            self._stream(handle.send_query(statement, form, params=values), headers)
            return
        is_select = bool(re.match(r"\s*(SELECT|WITH|EXISTS|SHOW|DESCRIBE)\b", statement, re.I))
        content = handle.query(statement, form, params=values).bytes() or b""
        self._send(200, content, headers if is_select else {})

    def _stream(self, blocks: Any, headers: dict[str, str]) -> None:
        first = next(blocks, None)
        self.send_response(200)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        block = first
        while block is not None:
            content = block.bytes()
            if content:
                self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            block = next(blocks, None)
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        headers = dict(headers or {})
        if content and "lz4" in self.headers.get("Accept-Encoding", "") and status == 200:
            content = lz4.frame.compress(content)
            headers["Content-Encoding"] = "lz4"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, text: str) -> None:
        found = re.search(r"Code: (\d+)", text)
        code = found[1] if found else "1000"
        status = {"516": 403, "60": 404, "81": 404}.get(code, 500)
        self._send(status, text.encode(), {"X-ClickHouse-Exception-Code": code})


def serve(folder: str, port: int) -> None:
    Door.engine = Engine(folder)
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", port), Door)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


@define
class ClickHouseServer:
    """The double in its process. ``kill`` and ``start`` again keep its rows."""

    folder: Path
    port: int
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        from urllib.parse import quote

        return f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/default"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.clickhouse", str(self.folder), str(self.port)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the ClickHouse double did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def suffer(self, **faults: Any) -> None:
        """From now on these :class:`Faults` and no others."""
        address = f"http://127.0.0.1:{self.port}{FAULTS_PATH}"
        request = urllib.request.Request(address, json.dumps(faults).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=START_SECONDS_MAX):
            pass


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))

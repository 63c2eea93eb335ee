"""What an operator relies on, from outside the process (issue 3 part 7)."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.journeys.certificates import write_certificate
from tests.journeys.conftest import Served, free_port, pepeunit

DEADLINE_SECONDS = 20.0
CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
CONNACK = 0x20


def get(port: int, path: str, tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        if tls is None
        else http.client.HTTPSConnection("localhost", port, timeout=5, context=tls)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post(port: int, path: str, body: dict, token: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"x-auth-token": token} if token else {})
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_running_platform_is_alive_and_ready_below_its_prefix_and_at_the_root(
    served: Served,
) -> None:
    served.start()
    for prefix in ("", "/pepeunit"):
        assert get(served.http_port, f"{prefix}/healthz") == (200, '{"status":"alive"}')
        status, body = get(served.http_port, f"{prefix}/readyz")
        assert (status, json.loads(body)) == (200, {"status": "ready", "missing": []})


def test_a_platform_without_its_database_or_journal_is_alive_and_says_what_is_missing(
    served: Served,
) -> None:
    served.start()
    postmaster = int((served.data_dir / "postgres/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGINT)
    journal = served.data_dir / "journal"
    journal.rename(served.data_dir / "elsewhere")
    try:

        def missing() -> list[str]:
            status, body = get(served.http_port, "/readyz")
            found = [one["name"] for one in json.loads(body)["missing"]]
            assert status == (503 if found else 200)
            return found

        until(lambda: missing() == ["database", "journal"], "not seen as missing")
        assert get(served.http_port, "/healthz")[0] == 200
        status, text = get(served.http_port, "/pepeunit/metrics")
        assert status == 200
        assert "pepeunit_outbox_length" not in text
        assert "http_requests_total" in text
    finally:
        (served.data_dir / "elsewhere").rename(journal)


def test_metrics_tell_requests_by_template_messages_and_the_process(served: Served) -> None:
    served.start()
    get(served.http_port, "/pepeunit/api/v1/units/7b7d1a60-0000-4000-8000-000000000000/")
    get(served.http_port, "/never/heard/of/it")
    status, text = get(served.http_port, "/pepeunit/metrics")
    assert status == 200
    template = 'handler="/pepeunit/api/v1/units/{uuid}",method="GET"'
    assert re.search(
        rf"^http_requests_total\{{{re.escape(template)},status=\"4xx\"\}} 1$", text, re.M
    )
    assert f'http_request_duration_seconds_bucket{{{template},le="+Inf"}} 1' in text
    assert 'handler="none"' in text
    assert "never/heard" not in text
    for name in (
        "pepeunit_mqtt_received_messages_total",
        "pepeunit_pipe_received_total",
        "pepeunit_journal_bytes",
        "pepeunit_outbox_length",
        "process_resident_memory_bytes",
    ):
        assert re.search(rf"^{name} \d+", text, re.M), name
    _, described = get(served.http_port, "/pepeunit")
    assert json.loads(described)["feature_flags"]["pu_ff_prometheus_enable"] is True


def test_w31_metrics_are_told_to_the_named_networks_alone(served: Served) -> None:
    served.settings = {"PU_METRICS_NETWORKS": "10.9.9.0/24"}
    served.start()
    assert get(served.http_port, "/pepeunit/metrics")[0] == 403


def test_metrics_that_are_switched_off_answer_405_code_15(served: Served) -> None:
    served.settings = {"PU_FF_PROMETHEUS_ENABLE": "false"}
    served.start()
    status, body = get(served.http_port, "/pepeunit/metrics")
    assert (status, json.loads(body)["detail"].startswith("405: 15:")) == (405, True)
    _, described = get(served.http_port, "/pepeunit")
    assert json.loads(described)["feature_flags"]["pu_ff_prometheus_enable"] is False


def test_w27_both_doors_speak_tls_and_sighup_brings_the_new_certificate(
    served: Served, tmp_path: Path
) -> None:
    first = write_certificate(tmp_path)
    mqtt_tls_port = free_port()
    served.settings = {
        "PU_TLS_CERT": str(tmp_path / "cert.pem"),
        "PU_TLS_KEY": str(tmp_path / "key.pem"),
        "PU_MQTT_TLS_PORT": str(mqtt_tls_port),
    }
    served.start()
    assert "https://" in served.printed

    def trusting() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    def serial(port: int) -> int:
        pem = ssl.get_server_certificate(("localhost", port))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    status, described = get(served.http_port, "/pepeunit", trusting())
    assert status == 200
    assert json.loads(described)["swagger"].startswith("https://")
    with pytest.raises((http.client.HTTPException, OSError)):
        get(served.http_port, "/pepeunit")
    with (
        socket.create_connection(("127.0.0.1", mqtt_tls_port), 5) as plain,
        trusting().wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(CONNECT)
        assert secure.recv(4)[0] == CONNACK  # refused for want of a token, over TLS
    (tmp_path / "key.pem").write_text("half written")
    os.kill(served.pid, signal.SIGHUP)
    until(lambda: "was not read again" in served.stderr(), "the bad pair went unnoticed")
    assert serial(served.http_port) == serial(mqtt_tls_port) == first
    second = write_certificate(tmp_path)
    os.kill(served.pid, signal.SIGHUP)
    until(lambda: serial(served.http_port) == second, "the new certificate is not served")
    assert serial(mqtt_tls_port) == second
    assert get(served.http_port, "/healthz", trusting())[0] == 200


def test_sighup_without_a_certificate_ends_nothing(served: Served) -> None:
    served.start()
    os.kill(served.pid, signal.SIGHUP)
    until(lambda: "SIGHUP" in served.stderr(), "not told")
    assert get(served.http_port, "/healthz")[0] == 200


def test_a_certificate_that_cannot_be_used_is_told_at_start(served: Served, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    ended = pepeunit(*served.argv(), PU_TLS_CERT=str(tmp_path / "cert.pem"))
    assert ended.returncode == 3
    assert "PU_TLS_CERT" in ended.stderr and "Traceback" not in ended.stderr


def test_w16_no_secret_reaches_the_log_of_a_whole_journey_at_debug_level(served: Served) -> None:
    key = "a-secret-key-of-the-instance-0123456789"
    served.settings = {"PU_LOG_FORMAT": "json", "PU_LOG_LEVEL": "debug", "PU_SECRET_KEY": key}
    served.settings["PYTHONASYNCIODEBUG"] = "1"
    served.start()
    api = "/pepeunit/api/v1"
    password, pat = "Correct-horse1", "glpat-Abc123Def456Ghi789"
    body = {"login": "alice", "password": password}
    assert post(served.http_port, f"{api}/users", body)[0] == 201
    wrong = {"credentials": "alice", "password": password + "-wrong"}
    assert post(served.http_port, f"{api}/users/auth", wrong)[0] == 403
    status, text = post(
        served.http_port, f"{api}/users/auth", {"credentials": "alice", "password": password}
    )
    assert status == 200
    token = json.loads(text)["token"]
    registry = {
        "platform": "Gitlab",
        "repository_url": "https://127.0.0.1:1/a/b.git",
        "is_public_repository": False,
        "credentials": {"username": "alice", "pat_token": pat},
    }
    post(served.http_port, f"{api}/repository_registry", registry, token)
    get(served.http_port, f"{api}/units?search_string={password}")
    post(served.http_port, f"{api}/users", {"login": password}, token + "x")
    secrets = [password, pat, token, token.rpartition(".")[2], key]
    secrets += json.loads((served.data_dir / "keys.json").read_text()).values()
    found = re.search(r"password +(\w+)", served.printed)
    assert found is not None
    secrets.append(found[1])
    served.end(signal.SIGTERM)
    written = (served.data_dir / "stderr").read_text()
    written += (served.data_dir / "postgres.log").read_text()
    lines = (served.data_dir / "stderr").read_text().splitlines()
    assert {"time", "level", "logger", "message"} <= json.loads(lines[0]).keys()
    assert all(json.loads(line) for line in lines)
    assert "/users/auth" in written
    assert [secret for secret in secrets if secret in written] == []

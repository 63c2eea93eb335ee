"""``pepeunit serve`` starts, stops, and comes back after the worst (issue 2 part 8)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pepeunit.adapters.embedded.postgres_processes import server_processes
from tests.journeys.conftest import Served, pepeunit


def postmasters(data_dir: Path) -> list[int]:
    """The servers, without their own workers."""
    return [
        pid
        for pid in server_processes(data_dir / "postgres")
        if b"-D" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def answers(served: Served) -> int:
    url = f"http://127.0.0.1:{served.http_port}/pepeunit"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def sign_in(served: Served, login: str, password: str) -> str:
    request = urllib.request.Request(
        f"{served.api_url}/users/auth",
        json.dumps({"credentials": login, "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["token"])


def test_sigterm_stops_cleanly_and_nothing_stays_behind(served: Served) -> None:
    served.start()
    assert answers(served) == 200
    assert len(postmasters(served.data_dir)) == 1
    code, seconds = served.end(signal.SIGTERM)
    assert (code, seconds < 5) == (0, True)
    assert server_processes(served.data_dir / "postgres") == []
    assert not (served.data_dir / "control.sock").exists()


@pytest.mark.parametrize("sign", ["keys.json", "postgres.log", "journal"])
def test_sigterm_during_the_first_start_stops_as_well(served: Served, sign: str) -> None:
    served.launch()
    deadline = time.monotonic() + 30
    while not (served.data_dir / sign).exists():
        assert time.monotonic() < deadline, served.stderr()
        time.sleep(0.005)
    code, seconds = served.end(signal.SIGTERM)
    assert (code, seconds < 5) == (0, True)
    assert server_processes(served.data_dir / "postgres") == []
    served.start()
    assert answers(served) == 200


def test_ctrl_c_stops_as_sigterm_does(served: Served) -> None:
    served.start()
    code, seconds = served.end(signal.SIGINT)
    assert (code, seconds < 5) == (0, True)


def test_the_first_administrators_password_is_shown_once_and_works(served: Served) -> None:
    served.start()
    found = re.search(r"login +admin\n +password +(\w+)", served.printed)
    assert found is not None
    token = sign_in(served, "admin", found[1])
    assert token.count(".") == 2
    served.end(signal.SIGTERM)
    served.start()
    assert "password" not in served.printed


def test_a_taken_port_is_named_with_the_option_to_change_it(served: Served) -> None:
    for port, option in ((served.http_port, "--http-port"), (served.mqtt_port, "--mqtt-port")):
        with socket.create_server(("127.0.0.1", port)):
            ended = pepeunit(*served.argv())
        assert ended.returncode == 3
        assert option in ended.stderr
        assert "Traceback" not in ended.stderr
    facts = served.data_dir / "instance.json"
    assert not facts.exists(), "devices would be sent to the refused port for ever"
    served.start()
    assert json.loads(facts.read_text())["PU_DOMAIN"] == f"127.0.0.1:{served.http_port}"


def test_an_address_that_is_not_this_machines_is_told(served: Served) -> None:
    at = ("serve", "--data-dir", str(served.data_dir), "--host")
    ended = pepeunit(*at, "192.0.2.1")
    assert (ended.returncode, "--host" in ended.stderr) == (3, True), ended.stderr
    ended = pepeunit(*at, "localhost")
    assert (ended.returncode, "PU_HTTP_HOST: an IP address" in ended.stderr) == (2, True)


def test_accounts_of_a_mistyped_directory_are_not_made(tmp_path: Path) -> None:
    for action in (("list",), ("create", "robin")):
        ended = pepeunit("user", *action, "--data-dir", str(tmp_path / "typo"))
        assert (ended.returncode, "holds no installation" in ended.stderr) == (3, True)
    assert not (tmp_path / "typo").exists()


def test_doctor_tells_lost_keys(tmp_path: Path) -> None:
    ended = pepeunit("doctor", "--data-dir", str(tmp_path))
    assert (ended.returncode, "holds no installation" in ended.stdout) == (0, True)
    (tmp_path / "postgres").mkdir()
    ended = pepeunit("doctor", "--data-dir", str(tmp_path))
    assert ended.returncode == 1
    assert "keys.json is missing" in ended.stdout
    assert "restore it from a backup" in ended.stdout


def test_a_data_directory_has_one_user_at_a_time(served: Served) -> None:
    served.start()
    ended = pepeunit("serve", "--data-dir", str(served.data_dir))
    assert ended.returncode == 3
    assert f"used by process {served.pid}" in ended.stderr
    assert "--data-dir" in ended.stderr
    assert answers(served) == 200


def test_every_bad_setting_is_told_at_once(served: Served) -> None:
    ended = pepeunit(*served.argv(), PU_HTTP_PORT="x", PU_MAX_LOG_LENGTH="y", PU_SECURE="perhaps")
    assert ended.returncode == 2
    assert {"PU_MAX_LOG_LENGTH", "PU_SECURE"} <= set(re.findall(r"PU_[A-Z_]+", ended.stderr))
    assert "Traceback" not in ended.stderr


def test_after_kill_9_the_next_start_comes_up_by_itself(served: Served) -> None:
    served.start()
    served.end(signal.SIGKILL)
    served.start()
    assert answers(served) == 200
    assert len(postmasters(served.data_dir)) == 1


def test_it_opens_more_files_than_a_shell_allows_at_first(served: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        served.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            address = ("127.0.0.1", served.http_port)
            stack.enter_context(socket.create_connection(address, timeout=5))
        assert answers(served) == 200


def test_after_kill_9_of_postgresql_alone_the_platform_heals(served: Served) -> None:
    served.start()
    (first,) = postmasters(served.data_dir)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not census_is_told(served):
        assert time.monotonic() < deadline, served.stderr()
        time.sleep(0.05)
    assert first not in postmasters(served.data_dir)
    assert len(postmasters(served.data_dir)) == 1
    assert served.end(signal.SIGTERM)[0] == 0


def test_without_a_database_that_can_start_it_ends_and_says_so(served: Served) -> None:
    served.start()
    (first,) = postmasters(served.data_dir)
    (served.data_dir / "postgres" / "PG_VERSION").write_text("9.6\n")
    os.kill(first, signal.SIGKILL)
    assert served.ended() == 3
    assert "PostgreSQL" in served.stderr().splitlines()[-1]
    assert "Traceback" not in served.stderr()


def census_is_told(served: Served) -> bool:
    try:
        with urllib.request.urlopen(f"{served.api_url}/metrics/") as answer:
            return int(answer.status) == 200
    except urllib.error.HTTPError as refusal:
        return refusal.code != 503


def test_accounts_are_managed_while_it_runs_and_while_it_does_not(served: Served) -> None:
    at = ("--data-dir", str(served.data_dir))
    served.start()
    assert stat.S_IMODE((served.data_dir / "control.sock").stat().st_mode) == 0o600
    created = pepeunit("user", "create", "somebody", "--admin", *at)
    assert re.fullmatch(r"somebody: password \w+\n", created.stdout), created.stderr
    again = pepeunit("user", "create", "somebody", *at)
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)
    served.end(signal.SIGTERM)
    listed = pepeunit("user", "list", *at)
    assert re.search(r"^somebody +Admin", listed.stdout, re.M), listed.stderr
    assert re.search(r"^admin +Admin", listed.stdout, re.M)


def test_config_and_migrate_tell_what_is_in_effect(served: Served) -> None:
    at = ("--data-dir", str(served.data_dir))
    migrated = pepeunit("migrate", *at)
    assert migrated.returncode == 0, migrated.stderr
    assert "revision" in migrated.stdout
    shown = pepeunit("config", *at, PU_DOMAIN="iot.example", PU_SECRET_KEY="c2VjcmV0" * 6)
    assert shown.returncode == 0, shown.stderr
    assert "PU_DOMAIN=iot.example  # set" in shown.stdout
    assert f"PU_DATA_DIR={served.data_dir}" in shown.stdout
    for line in shown.stdout.splitlines():
        assert not re.search(r"=(None|True|False|\(\)|frozenset)", line), line
    assert "c2VjcmV0" not in shown.stdout

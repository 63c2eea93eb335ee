"""What the command accepts, prints and returns (issue 2 part 8)."""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path

import pytest

from pepeunit.domain.errors import Invalid, NotFound, Unavailable
from pepeunit.entrypoints.cli.main import run
from pepeunit.entrypoints.cli.platform import Finding, ReferenceSecrets, Verdict
from tests.doors.cli.conftest import Served


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_serve_announces_itself_and_stops_cleanly_on_a_signal(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], signum: signal.Signals
) -> None:
    served.when_up = lambda: os.kill(os.getpid(), signum)
    assert run(["serve", "--data-dir", str(tmp_path)], served.platform()) == 0
    printed = capsys.readouterr().out
    assert served.stopped == 1
    assert "http://127.0.0.1:1/pepeunit" in printed
    assert "admin" in printed
    assert printed.count("only-once") == 1


def test_serve_passes_on_what_was_asked_and_leaves_the_rest_open(
    served: Served, tmp_path: Path
) -> None:
    served.failure = Unavailable("test", "enough")
    run(
        ["serve", "--data-dir", str(tmp_path), "--host", "::1", "--http-port", "80"],
        served.platform(),
    )
    (options,) = served.seen
    assert (options.data_dir, options.host, options.http_port, options.mqtt_port) == (
        tmp_path,
        "::1",
        80,
        None,
    )


@pytest.mark.parametrize(
    "ending",
    [
        (Unavailable("data directory", "used by process 7"), 3, "used by process 7"),
        (OSError(errno.EADDRINUSE, "address in use"), 3, "--http-port or --mqtt-port"),
        (OSError(errno.ENOSPC, "No space left", "/x/y"), 3, "/x/y: No space left: the disk"),
        (NotFound("no such thing"), 1, "no such thing"),
        (Invalid([("PU_A", "is bad"), ("PU_B", "is worse")]), 2, "PU_B: is worse"),
    ],
)
def test_failures_are_told_without_a_traceback(
    served: Served,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    ending: tuple[Exception, int, str],
) -> None:
    served.failure, code, said = ending
    for command in ("serve", "migrate", "user list"):
        assert run([*command.split(), "--data-dir", str(tmp_path)], served.platform()) == code
        printed = capsys.readouterr()
        assert said in printed.err
        assert "Traceback" not in printed.err


def test_every_bad_setting_has_a_line(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.failure = Invalid([("PU_A", "is bad"), ("PU_B", "is worse")])
    assert run(["config", "--data-dir", str(tmp_path)], served.platform()) == 2
    assert capsys.readouterr().err == "pepeunit: PU_A: is bad\npepeunit: PU_B: is worse\n"


def test_bugs_are_not_hidden(served: Served, tmp_path: Path) -> None:
    served.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        run(["migrate", "--data-dir", str(tmp_path)], served.platform())


def test_accounts_are_managed_where_nothing_runs(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--data-dir", str(tmp_path)]
    assert run(["user", "create", "somebody", "--admin", *at], served.platform()) == 0
    assert re.fullmatch(r"somebody: password \w{16,}\n", capsys.readouterr().out)
    assert run(["user", "create", "somebody", *at], served.platform()) == 1
    assert "login" in capsys.readouterr().err
    assert run(["user", "reset-password", "somebody", *at], served.platform()) == 0
    assert run(["user", "list", *at], served.platform()) == 0
    assert re.search(r"^somebody +Admin +Unverified", capsys.readouterr().out, re.M)


def test_accounts_are_promoted_blocked_and_deleted(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--data-dir", str(tmp_path)]
    for login in ("anna", "bert"):
        assert run(["user", "create", login, *at], served.platform()) == 0
    for word in ("promote", "block", "unblock", "demote"):
        expected = 1 if word in ("block", "demote") else 0  # the last administrator stays
        assert run(["user", word, "anna", *at], served.platform()) == expected
    assert "last administrator" in capsys.readouterr().err
    deleted = ["user", "delete", "bert", "--transfer-to", "anna", *at]
    assert run(deleted, served.platform()) == 0
    assert capsys.readouterr().out == "bert: delete done\n"
    assert run(["user", "list", *at], served.platform()) == 0
    assert re.fullmatch(r"anna +Admin +Unverified .*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["user"],
        ["serve", "--http-port", "0"],
        ["serve", "--mqtt-port", "65536"],
        ["serve", "--mqtt-port", "many"],
        ["nonsense"],
    ],
)
def test_a_wrong_command_line_ends_with_2(
    served: Served, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(argv, served.platform())
    assert ended.value.code == 2
    assert "usage: pepeunit" in capsys.readouterr().err


def test_the_version_is_told(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--version"], served.platform())
    assert ended.value.code == 0
    assert capsys.readouterr().out == "pepeunit 9.8.7\n"


def test_state_is_kept_in_the_users_data_folder_by_default(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert run(["config"], served.platform()) == 0
    assert capsys.readouterr().out == f"data {tmp_path}/pepeunit\n"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["config"], served.platform()) == 0
    assert capsys.readouterr().out == f"data {tmp_path}/.local/share/pepeunit\n"


SECRETS = {"PU_SECRET_KEY": "s" * 32, "PU_ENCRYPT_KEY": "e" * 44, "PU_STATIC_SALT": "salt"}


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [((), 0), ((Verdict.OK, Verdict.WARN), 0), ((Verdict.FAIL, Verdict.OK), 1)],
)
def test_the_doctor_prints_a_line_for_each_finding_and_fails_when_one_does(
    served: Served,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verdicts: tuple[Verdict, ...],
    code: int,
) -> None:
    served.findings = [Finding("part", verdict, "do this") for verdict in verdicts]
    assert run(["doctor", "--data-dir", str(tmp_path)], served.platform()) == code
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [verdict.value for verdict in verdicts]


def test_keys_and_mirrors_are_backed_up_only_when_asked(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--data-dir", str(tmp_path)]
    assert run(["backup", "f", *at], served.platform()) == 0
    assert run(["backup", "f", "--with-keys", *at], served.platform()) == 0
    assert run(["restore", "f", "--keys", "k", *at], served.platform()) == 0
    assert capsys.readouterr().out.splitlines() == [
        "backup f False False",
        "backup f True False",
        "restore f k",
    ]


def test_the_references_secrets_come_from_its_env_file_or_the_environment(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*SECRETS, "PU_DOMAIN", "REFERENCE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / ".env"
    lines = ["# keys", *(f"export {name}='{text}'" for name, text in SECRETS.items())]
    file.write_text("\n".join([*lines, "PU_DOMAIN=old.example"]))
    command = ["import-reference", "--database-url", "postgresql://h/d", "--secrets", str(file)]
    at = ["--data-dir", str(tmp_path)]
    assert run([*command, "--dry-run", *at], served.platform()) == 0
    assert served.secrets == ReferenceSecrets(*SECRETS.values(), "old.example")
    assert "s" * 32 not in repr(served.secrets)
    monkeypatch.setenv("PU_STATIC_SALT", "pepper")
    assert run([*command, "--domain", "new.example", *at], served.platform()) == 0
    assert (served.secrets.static_salt, served.secrets.domain) == ("pepper", "new.example")

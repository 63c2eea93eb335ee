"""``pepeunit pipe check`` and ``pepeunit pipe replay`` (issue 4 part 5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pepeunit.entrypoints.cli.main import run
from tests.domain.pipes.making import VECTORS_FILE
from tests.doors.cli.conftest import Served

GOOD = """\
active_period: {type: Permanent}
filters: {type_input_value: Text, max_rate: 0, max_size: 0}
processing_policy: {policy_type: LastValue}
"""
BAD = """\
active_period: {type: Permanent}
filters:
  type_input_value: Text
  max_rate: 5.5
  max_size: 999999999
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pipe.yaml"


def test_a_valid_pipe_is_told_so(
    served: Served, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD)
    assert run(["pipe", "check", str(file)], served.platform()) == 0
    assert capsys.readouterr().out == f"{file}: a valid pipe\n"


def test_violations_have_line_stage_and_path(
    served: Served, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(BAD)
    assert run(["pipe", "check", str(file)], served.platform()) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:4: Filters filters.max_rate: must be a whole number, not 5.5",
        f"{file}:1: ProcessingPolicy processing_policy: is missing",
    ]
    assert run(["pipe", "check", str(file), "--all"], served.platform()) == 1
    assert f"{file}:5: Filters filters.max_size: must be" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"), [("a: [", "line 1, column 5"), ("", "empty"), ("[]", "must be a mapping")]
)
def test_what_is_no_config_at_all_is_told_in_a_line(
    served: Served, file: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    file.write_text(content)
    assert run(["pipe", "check", str(file)], served.platform()) == 1
    assert said in capsys.readouterr().out


def test_event_time_is_checked_with_its_line(
    served: Served, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{GOOD}event_time:\n  lateness_seconds: 60\n")
    assert run(["pipe", "check", str(file)], served.platform()) == 0
    file.write_text(f"event_time:\n  lateness_seconds: 86401\n{GOOD}")
    assert run(["pipe", "check", str(file)], served.platform()) == 1
    told = f"{file}:2: ActivePeriod event_time.lateness_seconds: must be at most 86400"
    assert told in capsys.readouterr().out


def test_a_missing_file_is_told(served: Served, file: Path) -> None:
    assert run(["pipe", "check", str(file)], served.platform()) == 2
    assert run(["pipe", "replay", str(file)], served.platform()) == 2


def test_replay_prints_a_line_for_each_stream(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pipe", "replay", str(VECTORS_FILE)], served.platform()) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 49
    assert all(set(line) == {"id", "accepted", "dropped", "last_value", "rows"} for line in lines)


def test_replay_tells_everything_that_is_wrong(
    served: Served, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[{id: a, config: 5, messages: []}, {id: b, messages: 5}]")
    assert run(["pipe", "replay", str(file)], served.platform()) == 2
    printed = capsys.readouterr().err
    assert "a.config: " in printed
    assert "b.messages: " in printed

"""What the log shows of a text with secrets in it (spec access.md W16)."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from pepeunit.entrypoints.log_lines import Redaction, write_log

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1dWlkIjoiMSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"agent sent {JWT} twice", JWT),
        ("clone https://alice:s3cr3t@git.example/a.git", "s3cr3t"),
        ("PRIVATE-TOKEN: glpat-abcdefgh12345678", "glpat-abcdefgh12345678"),
        ("uses ghp_0123456789abcdef0123", "ghp_0123456789abcdef0123"),
        ("Authorization: Basic YWxpY2U6c2VjcmV0", "YWxpY2U6c2VjcmV0"),
        ('{"login": "a", "password": "two words"}', "two words"),
        ("{'pat_token': 'abc def'}", "abc def"),
        ("PU_SECRET_KEY=0123456789", "0123456789"),
        ("here is the-known-secret again", "the-known-secret"),
    ],
)
def test_a_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in Redaction.of(["the-known-secret"])(text)


@pytest.mark.parametrize(
    "text", ["GET /units 200", "stored 12 samples", "unit 7f6 runs a3b2", "https://a.example:80/x"]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert Redaction.of([""])(text) == text


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    logger.handlers.clear()  # basicConfig(force=True) would close those of the test runner
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)


def test_json_lines_hold_one_object_each_with_a_redacted_traceback(root: logging.Logger) -> None:
    stream = io.StringIO()
    write_log("json", "info", ["known-secret"], stream)
    try:
        raise ValueError("known-secret leaked")
    except ValueError:
        root.exception("two\nlines with %s", "known-secret")
    root.debug("too little")
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("ERROR", "two\nlines with ***")
    assert "ValueError: *** leaked" in told["traceback"]


class Writes(io.StringIO):
    """Each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def write(self, text: str, /) -> int:
        self.texts.append(text)
        return len(text)

    def messages(self) -> list[list[str]]:
        return [[line.rpartition(" ")[2] for line in text.splitlines()] for text in self.texts]


async def test_lines_of_one_turn_are_written_together_at_its_end(root: logging.Logger) -> None:
    stream = Writes()
    write_log("text", "info", [], stream)
    root.info("one")
    root.info("two")
    assert stream.texts == []
    await asyncio.sleep(0)
    root.info("three")
    await asyncio.sleep(0)
    assert stream.messages() == [["one", "two"], ["three"]]


async def test_a_warning_is_written_at_once_with_what_was_told_before(root: logging.Logger) -> None:
    stream = Writes()
    write_log("text", "info", [], stream)
    root.info("one")
    root.warning("two")
    assert stream.messages() == [["one", "two"]]
    await asyncio.sleep(0)
    assert stream.messages() == [["one", "two"]]


def test_outside_a_loop_each_line_is_written_at_once(root: logging.Logger) -> None:
    stream = Writes()
    write_log("text", "info", [], stream)
    root.info("one")
    assert stream.messages() == [["one"]]
    root.info("two")
    assert stream.messages() == [["one"], ["two"]]


async def test_a_thread_that_tells_something_between_two_turns_loses_nothing(
    root: logging.Logger,
) -> None:
    stream = Writes()
    write_log("text", "info", [], stream)
    root.info("one")
    thread = threading.Thread(target=root.info, args=("two",))
    thread.start()
    thread.join()
    await asyncio.sleep(0)
    assert [one for some in stream.messages() for one in some] == ["one", "two"]


def test_a_loop_that_closed_before_its_turn_ended_holds_up_no_later_line(
    root: logging.Logger,
) -> None:
    stream = Writes()
    write_log("text", "info", [], stream)
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: loop.call_soon(lambda: (loop.stop(), root.info("one"))))
    loop.run_forever()
    loop.close()
    root.info("two")
    assert [one for some in stream.messages() for one in some] == ["one", "two"]


async def test_a_log_that_cannot_be_written_stops_nothing(root: logging.Logger) -> None:
    class Full(Writes):
        def write(self, text: str, /) -> int:
            if not self.texts:
                self.texts.append("")
                raise OSError(28, "no space left on device")
            return super().write(text)

    stream, faults = Full(), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    write_log("text", "info", [], stream)
    root.info("one")
    await asyncio.sleep(0)
    root.info("two")
    await asyncio.sleep(0)
    assert (stream.messages()[1:], faults) == ([["two"]], [])

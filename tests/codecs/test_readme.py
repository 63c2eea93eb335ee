"""README.md from pepeunit.toml (devices.md 14; O39, W44)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.codecs.markdown import code, link, plain
from pepeunit.codecs.readme import convert_readme
from pepeunit.domain.errors import Invalid, OverLimit, Topic

WHOLE = """
[general]
name = "Lamp"
description = "Blinks"
language = "Python"
hardware = [
  "esp32",
  {name = "Board", link = "https://e.org/b"}, {link = "https://e.org/c"}, {name = "Only"},
]
version = "1.0"
license = "MIT"
authors = [{name = "Ann", email = "ann@e.org"}]
Own_Key = 5

[video.video]
preview = "https://e.org/p.png"
link = "https://e.org/v"

[images]
wiring = ["https://e.org/1.png", "https://e.org/2.png"]
"### myOwn" = "https://e.org/3.png"

[[models.models]]
version = "1"
description = "case"
link = "https://e.org/m"
[[models.models]]
version = "2"

[files]
"manual" = "https://e.org/f.pdf"

[physical_io]
D1 = "LED"

[env_description]
WIFI = "name of the net"

[topic_assignment]
"led/pepeunit" = "on|off"

[work_algorithm]
steps = ["connect", "blink"]

[installation]
steps = ["flash"]
"""
EXPECTED = r"""# Lamp

Parameter | Implementation
-- | --
Description | Blinks
Lang | `Python`
Hardware | `esp32`, [Board](https://e.org/b), [https://e.org/c](https://e.org/c), Only
Version | 1.0
License | MIT
Authors | Ann &lt;ann@e.org&gt;
Own\_Key | 5

## Video

[![Video](https://e.org/p.png)](https://e.org/v)

## Wiring

<div align="center"><img align="center" src="https://e.org/1.png"></div>

<div align="center"><img align="center" src="https://e.org/2.png"></div>

### myOwn

<div align="center"><img align="center" src="https://e.org/3.png"></div>

## Models

Version | Description | Link
-- | -- | --
1 | case | [https://e.org/m](https://e.org/m)

## Files

1. [manual](https://e.org/f.pdf)

## Physical IO

Key | Description
-- | --
`D1` | LED

## Env variable assignment

Variable | Description
-- | --
`WIFI` | name of the net

## Assignment of Device Topics

Topic | Description
-- | --
`led/pepeunit` | on\|off

## Work algorithm

1. connect
2. blink

## Installation

1. flash
"""


def test_the_whole_file_in_the_order_of_the_contract() -> None:
    assert convert_readme(WHOLE.encode()) == EXPECTED


@pytest.mark.parametrize(
    "text", ["", "[general]\n", "[general]\nname = ' '\n[files]\n", "[x]\ny=1"]
)
def test_missing_sections_produce_nothing_but_one_newline(text: str) -> None:
    assert convert_readme(text.encode()) == "\n"


def test_o39_values_break_no_table_and_headings_keep_their_case() -> None:
    text = '[general]\nDescription = "a | b\\nc"\n[images]\nfrontView = "https://e.org/x"\n'
    shown = convert_readme(text.encode())
    assert "Description | a \\| b<br>c" in shown
    assert "## FrontView" in shown


def test_o39_sections_that_are_no_table_are_told_with_their_place() -> None:
    text = 'general = 5\nfiles = "x"\n'
    with pytest.raises(Invalid) as refused:
        convert_readme(text.encode())
    assert refused.value.topic is Topic.README
    assert [path for path, _ in refused.value.violations] == ["general", "files"]
    text = "[installation]\nsteps = ['a', 5]\n[models]\nmodels = 'x'\n[video]\nvideo = 1\n"
    with pytest.raises(Invalid) as refused:
        convert_readme(text.encode())
    assert [path for path, _ in refused.value.violations] == [
        "video.video",
        "models.models",
        "installation.steps[1]",
    ]


def test_o39_arrays_may_mix_types_as_toml_1_0_allows() -> None:
    text = '[general]\nhardware = ["a", {name = "b"}, 5]\n'
    assert "Hardware | `a`, b, 5" in convert_readme(text.encode())


def test_a_syntax_error_is_told_with_line_and_column() -> None:
    with pytest.raises(Invalid, match="line 2, column"):
        convert_readme(b"[general]\nname = \n")
    for content in (b"\xff", b"a = 1e999999999999\nb = ", b"a=" + b"[" * 5000, b"d = 2026-99-99"):
        with pytest.raises(Invalid):
            convert_readme(content)


def test_limits_count_characters_without_the_spaces_around() -> None:
    fits = f'[general]\nname = "  {"n" * 50}  "\n'
    assert convert_readme(fits.encode()).startswith("# nnn")
    text = f'[general]\nname = "{"n" * 51}"\nstack = {["x"] * 31}\nversion = "{"1" * 31}"\n'
    with pytest.raises(Invalid) as refused:
        convert_readme(text.encode())
    assert [path for path, _ in refused.value.violations] == [
        "general.name",
        "general.version",
        "general.stack",
    ]
    with pytest.raises(OverLimit) as over:
        convert_readme(b"#" * 10_001)
    assert over.value.topic is Topic.README
    assert convert_readme("#ы".encode() * 5000) == "\n"


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "data:text/html,x", "//e.org", "ftp://e.org", "https:", "http://["],
)
def test_w44_only_web_addresses_become_links(target: str) -> None:
    assert "](" not in link("text", target)
    text = f'[files]\nname = "{target}"\n[images]\na = "{target}"\n'
    shown = convert_readme(text.encode())
    assert "](" not in shown and "<img" not in shown


def test_w44_addresses_and_texts_cannot_leave_their_place() -> None:
    shown = convert_readme(
        b"[images]\na = 'https://e.org/\"><script>alert(1)</script>'\n"
        b"[files]\n'](x) <b>' = 'https://e.org/a b)(c'\n"
    )
    assert "<script" not in shown and "<b>" not in shown
    assert "https://e.org/a%20b%29%28c" in shown


@given(st.text())
def test_w44_no_text_opens_a_tag_a_cell_or_a_line(text: str) -> None:
    shown = plain(text).replace("<br>", "")
    assert "<" not in shown and "\n" not in shown
    assert "|" not in shown.replace("\\|", "")
    assert "\n" not in code(text)


@given(st.binary(max_size=400))
def test_any_bytes_are_converted_or_refused(content: bytes) -> None:
    with suppress(Invalid, OverLimit):
        assert convert_readme(content).endswith("\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("# x", "\\# x"), ("- x", "\\- x"), ("12. x", "12\\. x"), ("1.0", "1.0"), ("a - b", "a - b")],
)
def test_a_text_begins_no_heading_and_no_list(text: str, shown: str) -> None:
    assert plain(text) == shown

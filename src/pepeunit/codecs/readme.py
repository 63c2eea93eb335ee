"""README.md from ``pepeunit.toml`` (spec devices.md 14, O39).

TOML 1.0. Values are text, never markup: what markdown or HTML would read as their own is escaped,
and only ``http`` and ``https`` addresses become links.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pepeunit.codecs.markdown import code, image, is_web_address, link, plain, table
from pepeunit.domain.errors import Invalid, OverLimit, Topic

CHARACTERS_MAX: Final = 10_000
ITEMS_MAX: Final = 30
LENGTHS_MAX: Final = {
    "name": 50,
    "description": 400,
    "version": 30,
    "license": 50,
    "language": 50,
}
_LABELS: Final = {
    "description": "Description",
    "language": "Lang",
    "hardware": "Hardware",
    "firmware": "Firmware",
    "stack": "Stack",
    "version": "Version",
    "license": "License",
    "authors": "Authors",
}
_LISTS: Final = ("hardware", "firmware", "stack", "authors")

Table = Mapping[str, Any]
Violations = list[tuple[str, str]]


def convert_readme(content: bytes) -> str:
    """The markdown; empty input gives a lone newline.

    Raises ``OverLimit`` or ``Invalid`` (topic readme): a syntax error with line and column, else
    every violation with the path of its value.
    """
    document = _read(content)
    violations: Violations = []
    for name, section in document.items():
        if name in _SECTIONS and not isinstance(section, dict):
            violations.append((name, "must be a table"))
    if not violations:
        violations += _general_violations(document.get("general", {}))
        violations += _shape_violations(document)
    if violations:
        raise Invalid(violations, Topic.README)
    blocks = [block for name, write in _SECTIONS.items() for block in write(document.get(name, {}))]
    return "\n\n".join(blocks) + "\n"


def _read(content: bytes) -> Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"byte {error.start} is not UTF-8", Topic.README) from None
    if len(text) > CHARACTERS_MAX:
        raise OverLimit(
            f"the file has {len(text)} characters, at most {CHARACTERS_MAX} are allowed",
            Topic.README,
            limit=CHARACTERS_MAX,
            actual=len(text),
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"not TOML: {error}", Topic.README) from None
    except (ValueError, RecursionError):  # a number or a nesting beyond what Python reads
        raise Invalid("not TOML: a value is out of range", Topic.README) from None


def _general_violations(general: Table) -> Iterable[tuple[str, str]]:
    for key, longest in LENGTHS_MAX.items():
        value = general.get(key)
        if isinstance(value, str) and len(value.strip()) > longest:
            yield (
                f"general.{key}",
                f"has {len(value.strip())} characters, at most {longest} are allowed",
            )
    for key in _LISTS:
        value = general.get(key)
        if isinstance(value, list) and len(value) > ITEMS_MAX:
            yield f"general.{key}", f"has {len(value)} items, at most {ITEMS_MAX} are allowed"


def _shape_violations(document: Table) -> Iterable[tuple[str, str]]:
    video = document.get("video", {}).get("video")
    if video is not None and not isinstance(video, dict | list):
        yield "video.video", "must be a table or a list of tables"
    for section, key, kind, wanted in (
        ("models", "models", dict, "tables"),
        ("work_algorithm", "steps", str, "texts"),
        ("installation", "steps", str, "texts"),
    ):
        items = document.get(section, {}).get(key, [])
        if not isinstance(items, list):
            yield f"{section}.{key}", f"must be a list of {wanted}"
            continue
        for index, item in enumerate(items):
            if not isinstance(item, kind):
                yield f"{section}.{key}[{index}]", f"must be one of the {wanted}"


def _general(general: Table) -> Iterable[str]:
    name = general.get("name")
    if name is not None and plain(name):
        yield f"# {plain(name)}"
    rows = [
        (_LABELS.get(key, plain(key)), text)
        for key, value in general.items()
        if key != "name" and (text := _implementation(key, value))
    ]
    if rows:
        yield table(("Parameter", "Implementation"), rows)


def _implementation(key: str, value: Any) -> str:
    match key, value:
        case "language", str():
            return code(value)
        case (("hardware" | "firmware" | "stack"), list()):
            return ", ".join(filter(None, map(_item, value)))
        case "authors", list():
            return ", ".join(filter(None, map(_author, value)))
        case _:
            return plain(value)


def _item(item: Any) -> str:
    match item:
        case str():
            return code(item)
        case {"name": str(name), "link": str(target)} if name.strip() and target.strip():
            return link(name, target)
        case {"link": str(target)} if target.strip():
            return link(target, target)
        case {"name": str(name)} if name.strip():
            return plain(name)
        case _:
            return plain(item)


def _author(author: Any) -> str:
    match author:
        case {"name": str(name), "email": str(email)} if email.strip():
            return f"{plain(name)} {plain(f'<{email.strip()}>')}".strip()
        case {"name": str(name)}:
            return plain(name)
        case _:
            return plain(author)


def _video(section: Table) -> Iterable[str]:
    video = section.get("video")
    if isinstance(video, list):
        video = video[0] if video else None
    match video:
        case {"preview": str(preview), "link": str(target)} if is_web_address(
            preview
        ) and is_web_address(target):
            yield "## Video"
            yield link(f"![Video]({preview.strip()})", target, is_markup=True)


def _images(section: Table) -> Iterable[str]:
    for key, value in section.items():
        addresses = value if isinstance(value, list) else [value]
        images = [image(one) for one in addresses if isinstance(one, str) and is_web_address(one)]
        if images:
            yield _image_heading(key.strip())
            yield from images


def _image_heading(key: str) -> str:
    text = key.lstrip("#")
    level = len(key) - len(text)
    if level == 0:
        level, text = 2, text[:1].upper() + text[1:]
    return f"{'#' * level} {plain(text)}"


def _models(section: Table) -> Iterable[str]:
    rows = [
        (
            plain(model.get("version", "")),
            plain(model.get("description", "")),
            link(str(model["link"]), str(model["link"])),
        )
        for model in section.get("models", [])
        if str(model.get("link") or "").strip()
    ]
    if rows:
        yield "## Models"
        yield table(("Version", "Description", "Link"), rows)


def _files(section: Table) -> Iterable[str]:
    yield from _numbered(
        "Files",
        [link(name, target) for name, target in section.items() if str(target).strip()],
    )


def _keyed(heading: str, column: str) -> Callable[[Table], Iterable[str]]:
    def write(section: Table) -> Iterable[str]:
        rows = [(code(key), text) for key, value in section.items() if (text := plain(value))]
        if rows:
            yield f"## {heading}"
            yield table((column, "Description"), rows)

    return write


def _steps(heading: str) -> Callable[[Table], Iterable[str]]:
    def write(section: Table) -> Iterable[str]:
        yield from _numbered(heading, [plain(step) for step in section.get("steps", [])])

    return write


def _numbered(heading: str, items: Iterable[str]) -> Iterable[str]:
    lines = [f"{place}. {item}" for place, item in enumerate(filter(None, items), start=1)]
    if lines:
        yield f"## {heading}"
        yield "\n".join(lines)


_SECTIONS: Final[Mapping[str, Callable[[Table], Iterable[str]]]] = {
    "general": _general,
    "video": _video,
    "images": _images,
    "models": _models,
    "files": _files,
    "physical_io": _keyed("Physical IO", "Key"),
    "env_description": _keyed("Env variable assignment", "Variable"),
    "topic_assignment": _keyed("Assignment of Device Topics", "Topic"),
    "work_algorithm": _steps("Work algorithm"),
    "installation": _steps("Installation"),
}

"""Archives as the firmware in the field reads them (spec devices.md 10, 15; rulings 25)."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Sequence

import pytest
from attrs import define

from pepeunit.adapters.archives.tree_archives import ArchiveLimits, TreeArchives
from pepeunit.adapters.git.mirrors import GitMirrors
from pepeunit.codecs import program
from pepeunit.codecs.ignore import Ignore
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Sha, TreeEntry
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.ports.archives import Archive, ArchiveFormat
from tests.contracts.conftest import REGISTRY

ZIP, TAR, TGZ = ArchiveFormat.ZIP, ArchiveFormat.TAR, ArchiveFormat.TGZ
NAME = "group/device"
SECRET = GitCredentials("someone", "glpat-s3cret")
OWN = {"env.json": b'{\n    "A": 1\n}', "schema.json": b"{}"}


def read_as_a_device(body: bytes) -> list[tuple[str, bytes | None]]:
    """Members as MicroPython sees them: name and size fields alone, two characters cut.

    Stricter than it is: whatever else than a plain file or directory fails the test.
    """
    assert len(body) % 512 == 0
    found: list[tuple[str, bytes | None]] = []
    at = 0
    while (header := body[at : at + 512]) != bytes(512):
        name = header[:100].rstrip(b"\0").decode()
        assert name.startswith("./") and "PaxHeader" not in name
        assert header[257:265] == b"ustar\x0000" and header[345:500] == bytes(155)
        assert int(header[148:154], 8) == sum(header[:148] + b" " * 8 + header[156:])
        size = int(header[124:135], 8)
        at += 512
        if name.endswith("/"):
            assert header[156:157] == b"5" and size == 0
            found.append((name[2:], None))
        else:
            assert header[156:157] == b"0"
            found.append((name[2:], body[at : at + size]))
        at += -(-size // 512) * 512
    assert body[at:] == bytes(1024)
    return found


def inflate(body: bytes, wbits: int) -> bytes:
    """All of the stream with the device's own window; trailing bytes fail."""
    stream = zlib.decompressobj(wbits)
    plain = stream.decompress(body)
    assert stream.eof and not stream.unused_data
    return plain


class Packing:
    """A forge, a mirror and the archives over it, for one repository."""

    def __init__(self, forge: Forge, mirrors: GitMirrors) -> None:
        self.forge, self.mirrors = forge, mirrors
        self.archives = TreeArchives(mirrors)

    async def commit(self, files: dict[str, bytes], modes: dict[str, int] | None = None) -> Sha:
        if NAME not in self.forge._projects:
            await self.forge.create(NAME)
        commit = await self.forge.commit(NAME, files, "change", modes=modes)
        await self.mirrors.sync(REGISTRY, self.forge.url(NAME), None)
        return commit

    async def pack(self, commit: Sha | None, form: ArchiveFormat = TAR, **how: int) -> Archive:
        return await self.archives.pack(REGISTRY, commit, OWN, form, **how)

    async def paths(self, commit: Sha) -> list[str]:
        return [name for name, _ in read_as_a_device((await self.pack(commit)).body)]


@pytest.fixture
def packing(forge: Forge, mirrors: GitMirrors) -> Packing:
    return Packing(forge, mirrors)


FILES = {"main.py": b"print(1)\n", "lib/a/deep.py": b"x" * 1000, "lib/ё.py": b"", "run.sh": b"#!"}


async def test_a_device_reads_every_member_of_a_tar(packing: Packing) -> None:
    commit = await packing.commit(FILES, {"run.sh": 0o100755})
    packed = await packing.pack(commit)
    assert read_as_a_device(packed.body) == [
        ("lib/", None),
        ("lib/a/", None),
        ("lib/a/deep.py", b"x" * 1000),
        ("lib/ё.py", b""),
        ("main.py", b"print(1)\n"),
        ("run.sh", b"#!"),
        ("env.json", OWN["env.json"]),
        ("schema.json", OWN["schema.json"]),
    ]
    with tarfile.open(fileobj=io.BytesIO(packed.body)) as tar:
        assert {member.mtime for member in tar} == {315532800}
        assert tar.getmember("./run.sh").mode == 0o755
        assert tar.getmember("./main.py").mode == 0o644
        assert all(member.pax_headers == {} for member in tar)


@pytest.mark.parametrize("wbits", [9, 10, 15, -9, -15, 25, 31])
@pytest.mark.parametrize("level", [-1, 0, 1, 9])
async def test_tgz_is_the_tar_in_one_stream_within_its_window(
    packing: Packing, wbits: int, level: int
) -> None:
    commit = await packing.commit(FILES | {"noise": os.urandom(3000) * 20})
    tar = await packing.pack(commit)
    tgz = await packing.pack(commit, TGZ, wbits=wbits, level=level)
    assert inflate(tgz.body, wbits) == tar.body
    if level:  # stored blocks are cut where the input was
        whole = zlib.compressobj(level, zlib.DEFLATED, wbits)
        assert tgz.body == whole.compress(tar.body) + whole.flush()
    assert tgz.etag == tar.etag


async def test_the_default_stream_opens_with_a_512_byte_window(packing: Packing) -> None:
    commit = await packing.commit(FILES)
    body = (await packing.pack(commit, TGZ)).body
    assert body[0] == 0x18
    inflate(body, 9)


@pytest.mark.parametrize(
    ("wbits", "level"), [(8, 9), (0, 9), (16, 9), (24, 9), (32, 9), (-8, 9), (9, 10), (9, -2)]
)
async def test_other_windows_and_levels_are_refused(
    packing: Packing, wbits: int, level: int
) -> None:
    with pytest.raises(Invalid) as refused:
        await packing.pack(None, TGZ, wbits=wbits, level=level)
    assert refused.value.topic is Topic.UNIT


async def test_a_zip_has_plain_names_modes_and_the_same_content(packing: Packing) -> None:
    commit = await packing.commit(FILES, {"run.sh": 0o100755})
    packed = await packing.pack(commit, ZIP)
    with zipfile.ZipFile(io.BytesIO(packed.body)) as opened:
        assert opened.testzip() is None
        files = {one.filename: opened.read(one) for one in opened.infolist()}
        assert files == FILES | OWN | {"lib/": b"", "lib/a/": b""}
        assert list(files)[-2:] == ["env.json", "schema.json"]
        assert opened.getinfo("run.sh").external_attr >> 16 == 0o100755
        assert opened.getinfo("lib/").is_dir()
    assert packed.etag == (await packing.pack(commit)).etag


@pytest.mark.parametrize("form", list(ArchiveFormat))
async def test_the_same_content_has_the_same_bytes_anywhere(
    packing: Packing, form: ArchiveFormat
) -> None:
    commit = await packing.commit(FILES)
    one = await packing.pack(commit, form)
    other = await TreeArchives(packing.mirrors).pack(REGISTRY, commit, OWN, form)
    changed = await packing.archives.pack(REGISTRY, commit, OWN | {"env.json": b"{}"}, form)
    assert one == other
    assert one.etag != changed.etag


async def test_own_files_beat_committed_ones(packing: Packing) -> None:
    modes = {"schema.json": 0o120000}
    commit = await packing.commit({"a": b"", "env.json": b"old", "schema.json": b"/etc"}, modes)
    members = read_as_a_device((await packing.pack(commit)).body)
    assert members == [("a", b""), *OWN.items()]


async def test_a_compilable_program_is_its_own_files_alone(packing: Packing) -> None:
    packed = await packing.pack(None)
    assert read_as_a_device(packed.body) == list(OWN.items())


async def test_the_ignore_file_removes_and_emptied_directories_stay(packing: Packing) -> None:
    commit = await packing.commit(
        {
            ".pepeignore": b"# comment\n*.md\n/tests/\n!tests/keep.py\nbuild\n!main.md\nenv.json\n",
            "main.md": b"",
            "a.md": b"",
            "docs/only.md": b"",
            "tests/keep.py": b"",
            "lib/build/x": b"",
            "lib/y": b"",
        }
    )
    assert await packing.paths(commit) == [
        "docs/",
        "lib/",
        ".pepeignore",
        "lib/y",
        "main.md",
        "env.json",
        "schema.json",
    ]


async def test_w2_a_link_is_refused_and_every_path_that_cannot_travel_is_listed(
    packing: Packing,
) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64
    files = {"etc": b"/etc/passwd", "b": b"ok", "d/" + "n" * 97: b"", "up": b"../.."}
    modes = {"etc": 0o120000, "up": 0o120000}
    commit = await packing.commit(files, modes)
    with pytest.raises(Invalid) as refused:
        await packing.pack(commit)
    assert refused.value.topic is Topic.GIT
    assert [path for path, _ in refused.value.violations] == ["d/" + "n" * 97, "etc", "up"]
    ignored = await packing.commit(files | {".pepeignore": b"etc\nup\nd/n*\n"}, modes)
    assert await packing.paths(ignored) == ["d/", ".pepeignore", "b", "env.json", "schema.json"]
    lfs = await packing.commit({"model.bin": pointer, "b": b""})
    with pytest.raises(Invalid) as refused:
        await packing.pack(lfs, ZIP)
    assert refused.value.violations == (("model.bin", "is a Git LFS pointer"),)


async def test_a_path_of_98_bytes_travels_and_a_longer_one_only_in_a_zip(packing: Packing) -> None:
    commit = await packing.commit({"ё" * 49: b"1"})
    assert await packing.paths(commit) == ["ё" * 49, "env.json", "schema.json"]
    longer = await packing.commit({"ё" * 49 + "a": b"1"})
    for form in (TAR, TGZ):
        with pytest.raises(Invalid):
            await packing.pack(longer, form)
    await packing.pack(longer, ZIP)


async def test_a_submodule_stays_behind(packing: Packing) -> None:
    commit = await packing.commit({"a": b"", "lib/sub": b"1" * 40}, {"lib/sub": 0o160000})
    assert await packing.paths(commit) == ["lib/", "a", "env.json", "schema.json"]


@define
class HostileTree:
    """A mirror whose tree holds what git itself would not check out."""

    paths: Sequence[str]

    async def tree(self, registry: RegistryId, commit: Sha) -> Sequence[TreeEntry]:
        return [TreeEntry(path, 0o100644, Sha("0" * 40), 1) for path in self.paths]

    async def blobs(self, registry: RegistryId, ids: Sequence[Sha]) -> Sequence[bytes]:
        return [b"x" for _ in ids]


async def pack_tree(*paths: str, form: ArchiveFormat = ZIP) -> list[str]:
    archives = TreeArchives(HostileTree(paths))  # type: ignore[arg-type]
    packed = await archives.pack(REGISTRY, Sha("a" * 40), OWN, form)
    with zipfile.ZipFile(io.BytesIO(packed.body)) as opened:
        return opened.namelist()


async def test_w3_a_git_folder_never_travels() -> None:
    names = await pack_tree(".git/config", "lib/.git/config", "lib/.GIT/x", "lib/a", ".github/b")
    assert names == [".github/", "lib/", "lib/a", ".github/b", "env.json", "schema.json"]


@pytest.mark.parametrize(
    "path", ["../up", "a/../../up", "/etc/passwd", "a//b", "a/./b", "env.json/x", "bad\udcff"]
)
async def test_w2_a_path_that_leaves_the_archive_is_refused(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        await pack_tree("ok", path)
    str(refused.value).encode()


async def test_w2_a_path_that_is_there_twice_is_refused() -> None:
    with pytest.raises(Invalid):
        await pack_tree("a", "a")
    with pytest.raises(Invalid):
        await pack_tree("a", "a/b")


async def test_w17_a_program_over_the_limits_is_refused() -> None:
    with pytest.raises(OverLimit):
        await pack_tree(*(f"f{number}" for number in range(program.PATHS_MAX + 1)))


def test_w17_a_program_of_too_many_bytes_is_refused() -> None:
    half = program.CONTENT_BYTES_MAX // 2 + 1
    tree = [TreeEntry(path, 0o100644, Sha("a" * 40), half) for path in ("a", "b")]
    with pytest.raises(OverLimit):
        program.list_program(tree, Ignore(), frozenset(), tar=True)


async def test_o2_a_private_registrys_token_is_in_no_mirror_and_no_archive(
    packing: Packing, forge: Forge
) -> None:
    await forge.create(NAME, SECRET)
    commit = await forge.commit(NAME, FILES, "change")
    await packing.mirrors.sync(REGISTRY, forge.url(NAME), SECRET)
    encoded = base64.b64encode(f"{SECRET.username}:{SECRET.pat_token}".encode())
    kept = [file.read_bytes() for file in packing.mirrors.folder.rglob("*") if file.is_file()]
    travelling = (await packing.pack(commit)).body
    for place in (*kept, travelling):
        assert SECRET.pat_token.encode() not in place and encoded not in place
    names = [name for name, _ in read_as_a_device(travelling)]
    assert set(names) == {"lib/", "lib/a/", *FILES, *OWN}
    assert await pack_tree(".git/config", "main.py") == ["main.py", *OWN]


@define
class CountingMirrors:
    """Counts how often a tree is read; everything else is the real mirror's."""

    real: GitMirrors
    trees: int = 0

    async def tree(self, registry: RegistryId, commit: Sha) -> Sequence[TreeEntry]:
        self.trees += 1
        return await self.real.tree(registry, commit)

    async def blobs(self, registry: RegistryId, ids: Sequence[Sha]) -> Sequence[bytes]:
        return await self.real.blobs(registry, ids)


async def test_o28_w39_parallel_downloads_share_one_build_and_never_mix(packing: Packing) -> None:
    commit = await packing.commit(FILES)
    counting = CountingMirrors(packing.mirrors)
    archives = TreeArchives(counting)  # type: ignore[arg-type]
    own = [{"env.json": b"%d" % number, "schema.json": b"{}"} for number in range(50)]
    packed = await asyncio.gather(*(archives.pack(REGISTRY, commit, files, TGZ) for files in own))
    assert counting.trees == 1
    for files, one in zip(own, packed, strict=True):
        assert read_as_a_device(inflate(one.body, 9))[-2:] == list(files.items())
    assert len({one.etag for one in packed}) == 50


async def test_a_caller_that_goes_away_does_not_stop_the_build_of_others(packing: Packing) -> None:
    commit = await packing.commit(FILES)
    leaving = asyncio.create_task(packing.pack(commit, TGZ))
    staying = asyncio.create_task(packing.pack(commit, TGZ))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).body
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_failed_build_is_tried_again(packing: Packing) -> None:
    with pytest.raises(Invalid):
        await packing.pack(Sha("f" * 40))
    commit = await packing.commit(FILES)
    with pytest.raises(Invalid):
        await packing.pack(Sha("f" * 40))
    await packing.pack(commit)


async def test_the_kept_parts_stay_within_their_bytes(packing: Packing) -> None:
    counting = CountingMirrors(packing.mirrors)
    limits = ArchiveLimits(kept_bytes_max=100_000)
    archives = TreeArchives(counting, limits)  # type: ignore[arg-type]
    commits = [await packing.commit({"a": bytes([n]) * 40_000}) for n in range(4)]
    for commit in [*commits, commits[-1], commits[0]]:
        await archives.pack(REGISTRY, commit, OWN, TAR)
    assert counting.trees == 5
    assert archives._kept_bytes <= 100_000

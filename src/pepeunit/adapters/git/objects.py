"""What git prints, read into values: references, history, trees, objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pepeunit.domain.registries.tags import preferred_tag
from pepeunit.domain.registries.version import Commit, Sha, TreeEntry

HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
REFERENCE_FORMAT: Final = "%(objectname)%00%(*objectname)%00%(refname)"
HISTORY_FORMAT: Final = "%H%x00%s"


def read_references(output: bytes) -> Sequence[tuple[str, Sha, Sha]]:
    """``(name, object, commit it peels to)`` of ``for-each-ref`` in REFERENCE_FORMAT."""
    lines = output.decode("utf-8", "surrogateescape").split("\n")
    fields = (line.split("\0") for line in lines if line)
    return [(name, Sha(own), Sha(peeled or own)) for own, peeled, name in fields]


def read_remote_heads(output: bytes) -> dict[str, Sha]:
    """``ls-remote`` of branches and tags, without the peeled ``^{}`` lines."""
    heads = {}
    for line in output.decode("utf-8", "surrogateescape").split("\n"):
        own, tab, name = line.partition("\t")
        if tab and name.startswith((HEADS, TAGS)) and not name.endswith("^{}"):
            heads[name] = Sha(own)
    return heads


def branch_names(references: Collection[str]) -> tuple[str, ...]:
    """Branches in order; a pointer named ``HEAD`` is dropped by its name alone (O7)."""
    names = (name.removeprefix(HEADS) for name in references if name.startswith(HEADS))
    return tuple(sorted(name for name in names if name != "HEAD"))


def read_history(output: bytes) -> Sequence[tuple[Sha, str]]:
    """Pairs of commit and whole subject out of a NUL-separated log (O10)."""
    fields = output.decode("utf-8", "replace").split("\0")
    return [(Sha(commit), text) for commit, text in zip(fields[::2], fields[1::2], strict=False)]


def with_tags(
    history: Sequence[tuple[Sha, str]], tags: Mapping[Sha, Collection[str]], prefer: Collection[str]
) -> tuple[Commit, ...]:
    """The history with the tag that counts on each commit."""
    return tuple(
        Commit(
            commit,
            summary,
            preferred_tag(tags[commit], prefer) if commit in tags else None,
        )
        for commit, summary in history
    )


def read_tree(output: bytes) -> tuple[TreeEntry, ...]:
    """``ls-tree -r -z --long``; a gitlink has no size and counts as 0."""
    entries = []
    for record in output.split(b"\0"):
        if record:
            facts, _, path = record.partition(b"\t")
            mode, _, blob, size = facts.split()
            entries.append(
                TreeEntry(
                    path.decode("utf-8", "surrogateescape"),
                    int(mode, 8),
                    Sha(blob.decode("ascii")),
                    0 if size == b"-" else int(size),
                )
            )
    return tuple(entries)


def read_batch(output: bytes) -> Sequence[bytes | None]:
    """The blobs of ``cat-file --batch`` in the order asked; None for anything else."""
    bodies: list[bytes | None] = []
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        header = output[position:end].rsplit(b" ", 2)
        position = end + 1
        if len(header) == 3 and header[2].isdigit() and header[1] in _KINDS:
            size = int(header[2])
            body = output[position : position + size]
            bodies.append(body if header[1] == b"blob" else None)
            position += size + 1
        else:
            bodies.append(None)
    return bodies


_KINDS: Final = (b"blob", b"tree", b"commit", b"tag")

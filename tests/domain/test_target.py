"""The target version: the decision table of devices.md 5, row by row and failure by failure."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.registries.version import Asset, Commit, Releases, Version
from pepeunit.domain.repos.target import firmware_asset, target_rule, target_version
from tests.domain.making import RepoSettings, UnitSettings, commit, sha

MAIN = (commit(5), commit(4, "v2"), commit(3), commit(2, "v1"), commit(1))
UNTAGGED = (commit(5), commit(4))

HEAD, NEWEST_TAGGED = Version(sha(5)), Version(sha(4), "v2")
TAGGED, PLAIN = Version(sha(2), "v1"), Version(sha(3))


def decide(
    unit: UnitSettings | None, repo: RepoSettings, history: Sequence[Commit] | None
) -> Version:
    return target_version(target_rule(unit, repo), history)


def own(number: int | None, branch: str | None = "main") -> UnitSettings:
    return UnitSettings(False, branch, None if number is None else sha(number))


def fixed(number: int | None, *, compilable: bool, tags: bool) -> RepoSettings:
    return RepoSettings(False, tags, compilable, "main", None if number is None else sha(number))


FOLLOWS = UnitSettings()
BOTH = (True, False)

ROWS = [
    # U.auto=no R.comp=no: the unit's own commit, tagged or not, whatever R.auto and R.tags say
    *((own(3), RepoSettings(auto, tags, False), PLAIN) for auto in BOTH for tags in BOTH),
    *((own(2), RepoSettings(auto, tags, False), TAGGED) for auto in BOTH for tags in BOTH),
    # U.auto=no R.comp=yes: the same, and it must carry a tag
    *((own(2), RepoSettings(auto, tags, True), TAGGED) for auto in BOTH for tags in BOTH),
    # U.auto=yes R.auto=yes R.comp=yes: the newest tagged commit
    *((FOLLOWS, RepoSettings(True, tags, True), NEWEST_TAGGED) for tags in BOTH),
    # U.auto=yes R.auto=yes R.comp=no R.tags=yes: the same
    (FOLLOWS, RepoSettings(True, True, False), NEWEST_TAGGED),
    # U.auto=yes R.auto=yes R.comp=no R.tags=no: the head
    (FOLLOWS, RepoSettings(True, False, False), HEAD),
    # U.auto=yes R.auto=no R.comp=no: the repo's commit
    *((FOLLOWS, fixed(3, compilable=False, tags=tags), PLAIN) for tags in BOTH),
    # U.auto=yes R.auto=no R.comp=yes: the same, and it must carry a tag
    *((FOLLOWS, fixed(2, compilable=True, tags=tags), TAGGED) for tags in BOTH),
]


@pytest.mark.parametrize(("unit", "repo", "expected"), ROWS)
def test_each_row_of_the_table_leads_to_its_commit(
    unit: UnitSettings, repo: RepoSettings, expected: Version
) -> None:
    assert decide(unit, repo, MAIN) == expected


def test_the_head_carries_its_tag_where_it_has_one() -> None:
    history = (commit(9, "v9"), *MAIN)
    repo = RepoSettings(is_only_tag_update=False)
    assert decide(FOLLOWS, repo, history) == Version(sha(9), "v9")


FAILURES = [
    (own(3, None), RepoSettings(), None, "no branch"),
    (own(3), RepoSettings(), None, "does not exist"),
    (own(None), RepoSettings(), MAIN, "no commit is chosen"),
    (own(77), RepoSettings(), MAIN, "is not on branch"),
    (own(77), RepoSettings(is_compilable_repo=True), MAIN, "is not on branch"),
    (own(3), RepoSettings(is_compilable_repo=True), MAIN, "carries no tag"),
    (FOLLOWS, RepoSettings(True, True, True, None), MAIN, "no branch"),
    (FOLLOWS, RepoSettings(True, True, True), None, "does not exist"),
    (FOLLOWS, RepoSettings(True, True, True), UNTAGGED, "has no tag"),
    (FOLLOWS, RepoSettings(True, True, False), UNTAGGED, "has no tag"),
    (FOLLOWS, RepoSettings(True, False, False, None), MAIN, "no branch"),
    (FOLLOWS, RepoSettings(True, False, False), None, "does not exist"),
    (FOLLOWS, RepoSettings(True, False, False), (), "has no commit"),
    (FOLLOWS, fixed(None, compilable=False, tags=True), MAIN, "no commit is chosen"),
    (FOLLOWS, fixed(77, compilable=False, tags=True), MAIN, "is not on branch"),
    (FOLLOWS, fixed(3, compilable=False, tags=True), None, "does not exist"),
    (FOLLOWS, fixed(77, compilable=True, tags=True), MAIN, "is not on branch"),
    (FOLLOWS, fixed(3, compilable=True, tags=True), MAIN, "carries no tag"),
]


@pytest.mark.parametrize(("unit", "repo", "history", "reason"), FAILURES)
def test_each_failure_of_the_table_is_a_git_refusal_with_its_reason(
    unit: UnitSettings, repo: RepoSettings, history: Sequence[Commit] | None, reason: str
) -> None:
    with pytest.raises(Invalid, match=reason) as refused:
        decide(unit, repo, history)
    assert refused.value.topic is Topic.GIT


repos = st.builds(
    RepoSettings, st.booleans(), st.booleans(), st.booleans(), st.just("main"), st.none()
)
histories = st.lists(st.sampled_from([None, "v1", "v2"]), max_size=6).map(
    lambda tags: [commit(number, tag) for number, tag in enumerate(tags)]
)


@given(repos, histories)
def test_the_target_of_a_repo_is_that_of_a_unit_that_follows_it(
    repo: RepoSettings, history: list[Commit]
) -> None:
    assert target_rule(None, repo) == target_rule(FOLLOWS, repo)


@given(repos, histories, st.integers(0, 5))
def test_a_target_is_on_the_branch_and_tagged_where_the_rule_says(
    repo: RepoSettings, history: list[Commit], number: int
) -> None:
    repo = evolve(repo, default_commit=sha(number))
    rule = target_rule(FOLLOWS, repo)
    try:
        found = target_version(rule, history)
    except Invalid:
        return
    assert (found.commit, found.tag) in {(known.commit, known.tag) for known in history}
    assert found.tag is not None or not rule.needs_tag


RELEASES = {"v1": [Asset("esp32", "https://host/a"), Asset("esp8266", "https://host/b")], "v0": []}


def test_firmware_comes_from_the_assets_of_the_tag() -> None:
    assert firmware_asset(RELEASES, "v1", "esp8266") == Asset("esp8266", "https://host/b")


@pytest.mark.parametrize(
    ("releases", "tag", "platform", "topic"),
    [
        (None, "v1", "esp32", Topic.ENTITY),
        ({}, "v1", "esp32", Topic.ENTITY),
        (RELEASES, None, "esp32", Topic.GIT),
        (RELEASES, "v9", "esp32", Topic.GIT),
        (RELEASES, "v0", "esp32", Topic.GIT),
        (RELEASES, "v1", "riscv", Topic.GIT),
        (RELEASES, "v1", None, Topic.GIT),
    ],
)
def test_each_failure_of_the_platform_check_has_its_topic(
    releases: Releases | None,
    tag: str | None,
    platform: str | None,
    topic: Topic,
) -> None:
    with pytest.raises(Invalid) as refused:
        firmware_asset(releases, tag, platform)
    assert refused.value.topic is topic

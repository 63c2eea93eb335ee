"""Push hooks, tags, host addresses and the settings of repos and units (rulings 24, 26; O9)."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.registries.address import HostRule, is_public, repository_address
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.push_hook import hook_secret, is_genuine
from pepeunit.domain.registries.tags import preferred_tag, tag_order
from pepeunit.domain.repos.repo import Repo, update_rule_violations
from pepeunit.domain.units.unit import version_choice_violations
from tests.domain.making import NOW, OWNER, a_unit, sha

REGISTRY = RegistryId(UUID(int=5))
SECRET = hook_secret("instance key", REGISTRY)
BODY = b'{"ref":"refs/heads/main"}'
SIGNATURE = "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()


def test_each_registry_and_each_instance_has_a_hook_secret_of_its_own() -> None:
    others = {hook_secret("instance key", RegistryId(UUID(int=6))), hook_secret("x", REGISTRY)}
    assert SECRET not in others and len(SECRET) == 64
    assert hook_secret("instance key", REGISTRY) == SECRET


@pytest.mark.parametrize(
    ("body", "token", "signature", "genuine"),
    [
        (BODY, SECRET, None, True),
        (BODY, None, SIGNATURE, True),
        (BODY, None, None, False),
        (BODY, "", None, False),
        (BODY, SECRET[:-1], None, False),
        (BODY, "\udcff", None, False),
        (BODY + b" ", None, SIGNATURE, False),
        (BODY, None, SIGNATURE.upper(), False),
        (BODY, None, SIGNATURE.removeprefix("sha256="), False),
        (BODY, None, "\udcff", False),
        (BODY, "wrong", SIGNATURE, False),
    ],
)
def test_only_a_call_with_the_secret_or_its_digest_is_genuine(
    body: bytes, token: str | None, signature: str | None, genuine: bool
) -> None:
    assert is_genuine(SECRET, body, token, signature) is genuine


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("v1.9.0", "v1.10.0"),
        ("1.0.0-rc.9", "1.0.0-rc.10"),
        ("1.0.0-rc10", "1.0.0"),
        ("v1.2", "v1.2.1"),
        ("nightly", "0.0.1"),
        ("a", "b"),
    ],
)
def test_o9_the_higher_version_wins(lower: str, higher: str) -> None:
    assert preferred_tag([lower, higher], ()) == higher
    assert preferred_tag([higher, lower], ()) == higher


def test_o9_a_tag_with_a_release_beats_a_higher_one_without() -> None:
    assert preferred_tag(["v1", "v2", "v3"], {"v1", "v2"}) == "v2"
    assert preferred_tag(["v1", "v2"], {"other"}) == "v2"


@given(st.lists(st.text(max_size=12), min_size=2, max_size=6, unique=True))
def test_the_order_of_tags_is_total(tags: list[str]) -> None:
    ordered = sorted(tags, key=tag_order)
    assert sorted(tags, key=tag_order) == ordered
    assert preferred_tag(tags, ()) == ordered[-1]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "git@host:a/b.git",
        "ssh://host/a.git",
        "file:///etc/passwd.git",
        "https://host/a",
        "https://host/a.git?x=1",
        "https://host/a.git#x",
        "https://user:pat@host/a.git",
        "https:///a.git",
        "https://host:0/a.git",
        "https://host:99999/a.git",
        "https://host/../a.git",
        "https://host//a.git",
        "https://host/.git",
        "https://ho st/a.git",
        "https://host\\@evil/a.git",
        "https://host/a.git\n",
        "https://" + "a" * 3000 + "/a.git",
    ],
)
def test_w15_a_url_that_is_not_plainly_one_repository_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        repository_address(url)
    assert refused.value.topic is Topic.REGISTRY


def test_a_good_url_is_taken_apart() -> None:
    address = repository_address("https://Git.Example.com:8443/group/sub/a.github.io.git")
    assert (address.host, address.port) == ("git.example.com", 8443)
    assert address.target == "/group/sub/a.github.io.git"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 judged, not bound
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "not an address",
    ],
)
def test_w15_inner_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_w15_one_inner_address_among_several_is_enough_to_refuse() -> None:
    address = repository_address("https://host/a.git")
    rule = HostRule.of("")
    rule.check(address, ["93.184.215.14"], Topic.GIT)
    with pytest.raises(Invalid) as refused:
        rule.check(address, ["93.184.215.14", "10.0.0.1"], Topic.GIT)
    assert "10.0.0.1" not in refused.value.message


def test_rulings_24_http_is_for_listed_hosts_alone() -> None:
    address = repository_address("http://host:8080/a.git")
    with pytest.raises(Invalid):
        HostRule.of("host:9090").check(address, ["93.184.215.14"], Topic.GIT)
    HostRule.of("host:8080").check(address, ["10.0.0.1"], Topic.GIT)


def test_a_token_is_not_in_the_repr_of_credentials() -> None:
    assert "hunter2" not in repr(GitCredentials("me", "hunter2"))


def repo(
    *, auto: bool, tags: bool, compilable: bool, branch: str | None, number: int | None
) -> Repo:
    return Repo(
        RepoId(UUID(int=1)),
        "repo",
        Visibility.PUBLIC,
        REGISTRY,
        OWNER,
        NOW,
        NOW,
        branch,
        None if number is None else sha(number),
        auto,
        tags,
        compilable,
    )


@pytest.mark.parametrize(
    ("given_repo", "paths"),
    [
        (repo(auto=True, tags=True, compilable=True, branch=None, number=None), set()),
        (repo(auto=True, tags=False, compilable=False, branch="main", number=None), set()),
        (
            repo(auto=True, tags=False, compilable=True, branch="main", number=None),
            {"is_only_tag_update"},
        ),
        (repo(auto=False, tags=False, compilable=True, branch="main", number=1), set()),
        (
            repo(auto=False, tags=True, compilable=False, branch=None, number=None),
            {"default_branch", "default_commit"},
        ),
    ],
)
def test_what_contradicts_itself_in_a_repos_update_rule(given_repo: Repo, paths: set[str]) -> None:
    assert {path for path, _ in update_rule_violations(given_repo)} == paths


def test_a_unit_with_a_version_of_its_own_needs_branch_and_commit() -> None:
    unit = a_unit(is_auto_update_from_repo_unit=False)
    assert {path for path, _ in version_choice_violations(unit)} == {"repo_branch", "repo_commit"}
    assert not list(version_choice_violations(a_unit()))

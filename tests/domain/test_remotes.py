"""Push hooks, credentials and the version settings of repos and units (rulings 26)."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

import pytest

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.push_hook import hook_secret, is_genuine
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

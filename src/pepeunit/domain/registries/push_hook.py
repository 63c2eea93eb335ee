"""Push webhooks: which calls are genuine (rulings 26)."""

from __future__ import annotations

import hashlib
import hmac

from pepeunit.domain.ids import RegistryId


def hook_secret(instance_key: str, registry: RegistryId) -> str:
    """The secret a code host is given for one registry; derived, so nothing is stored."""
    text = f"push-hook:{registry}".encode()
    return hmac.new(instance_key.encode(), text, hashlib.sha256).hexdigest()


def is_genuine(secret: str, body: bytes, gitlab_token: str | None, signature: str | None) -> bool:
    """GitLab sends the secret itself (``X-Gitlab-Token``), GitHub a digest of the body
    (``X-Hub-Signature-256: sha256=...``)."""
    if gitlab_token is not None:
        return _equal(gitlab_token, secret)
    if signature is not None:
        wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return _equal(signature, wanted)
    return False


def _equal(given: str, wanted: str) -> bool:
    """In constant time; a header may hold bytes that are no text."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())

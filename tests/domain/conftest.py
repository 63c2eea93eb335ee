"""The domain is proved in seconds: fewer examples a property than hypothesis' own default."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("domain", max_examples=40, deadline=None, database=None)
settings.load_profile("domain")

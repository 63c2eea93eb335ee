"""Which tag of a commit counts (spec devices.md 16, O9)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.registries.tags import preferred_tag, tag_order


def test_o9_a_released_tag_wins_over_a_higher_version() -> None:
    assert preferred_tag(["v2.0", "v1.0", "latest"], {"v1.0"}) == "v1.0"


def test_o9_the_highest_version_wins_not_the_smallest_name() -> None:
    assert preferred_tag(["v1.10.0", "v1.9.0", "stable"], ()) == "v1.10.0"
    assert preferred_tag(["1.0.0-rc10", "1.0.0-rc9"], ()) == "1.0.0-rc10"
    assert preferred_tag(["1.0.0-rc1", "1.0.0"], ()) == "1.0.0"


@given(st.lists(st.text(alphabet="v0123456789.-+abc\u0663", min_size=1), min_size=1))
def test_the_choice_does_not_depend_on_the_order_given(tags: list[str]) -> None:
    assert preferred_tag(tags, ()) == preferred_tag(tags[::-1], ()) == max(tags, key=tag_order)

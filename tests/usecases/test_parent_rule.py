"""A child is never wider than its parent (access.md 3.3)."""

from __future__ import annotations

import pytest

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.usecases.repos.edit_repo import RepoChanges
from pepeunit.usecases.units.edit_unit import UnitChanges
from tests.usecases.platform import Platform

PUBLIC, INTERNAL, PRIVATE = Visibility.PUBLIC, Visibility.INTERNAL, Visibility.PRIVATE


async def test_parent_rule_a_child_wider_than_its_parent_is_refused(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner, visibility=INTERNAL)
    unit = await platform.unit(owner, repo, visibility=INTERNAL)
    node = await platform.node(unit, "led/pepeunit")
    for refused in (
        platform.unit(owner, repo, "wider", PUBLIC),
        platform.edit_unit(owner, unit, UnitChanges(visibility_level=PUBLIC)),
        platform.change_node(owner, node, visibility_level=PUBLIC),
        platform.edit_repo(owner, repo, RepoChanges(visibility_level=PRIVATE)),
    ):
        with pytest.raises(Invalid) as refusal:
            await refused
        assert refusal.value.topic is Topic.ENTITY


async def test_parent_rule_raising_a_unit_raises_its_looser_nodes_alone(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    temp = await platform.node(unit, "temp/pepeunit")
    await platform.change_node(owner, temp, visibility_level=PRIVATE)
    await platform.edit_unit(owner, unit, UnitChanges(visibility_level=INTERNAL))

    async def levels() -> list[Visibility]:
        found = [await platform.node(unit, f"{name}/pepeunit") for name in ("led", "temp")]
        return [node.visibility_level for node in found]

    assert await levels() == [INTERNAL, PRIVATE]
    await platform.edit_unit(owner, unit, UnitChanges(visibility_level=PUBLIC))
    assert await levels() == [INTERNAL, PRIVATE]

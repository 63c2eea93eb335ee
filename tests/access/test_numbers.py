"""The matrix again, cut by the fault or decision that each slice closes.

Every slice is small, so that breaking one rule points at one number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.access.cells import Cell
from tests.access.runs import Select, on_our_endpoint, on_rest, on_the_hook
from tests.access.world import World, the_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """One for all slices: nothing they do outlives a cell but states of nodes."""
    async with the_world() as world:
        yield world


def of(*operations: str, columns: str = "oapuxndqlezb") -> Select:
    """Cells of operations whose names start with one of these, in some columns."""
    return lambda cell: cell.column in columns and cell.operation.startswith(operations)


def in_columns(columns: str) -> Select:
    return lambda cell: cell.column in columns


async def test_c1_an_administrator_reads_what_is_visible_and_owns_nothing(world: World) -> None:
    (await on_rest(world, in_columns("a"))).check()


async def test_c2_w1_a_creator_gives_and_takes_and_an_agent_drops_its_own(world: World) -> None:
    selects = of("createPermission", "getResourceAgents", "deletePermission")
    (await on_rest(world, selects)).check()


async def test_c3_w12_a_unit_is_built_only_from_a_repo_that_is_seen(world: World) -> None:
    (await on_rest(world, of("createUnit", "import of"))).check()


async def test_c5_a_unit_reads_its_own_repo(world: World) -> None:
    (await on_rest(world, of("getRepo", columns="dqlez"))).check()


async def test_c6_an_input_is_set_by_others_only_if_rewritable(world: World) -> None:
    (await on_rest(world, of("setStateUnitNodeInput"))).check()


async def test_c6_an_input_is_published_to_by_others_only_if_rewritable(world: World) -> None:
    selects = of("publish an input", "publish a rewritable input")
    (await on_our_endpoint(world, selects)).check()
    (await on_the_hook(world, selects)).check()


async def test_c7_w14_a_unit_alone_publishes_to_its_outputs(world: World) -> None:
    selects = of("publish an output", "publish a state", "publish a log")
    (await on_our_endpoint(world, selects)).check()
    (await on_the_hook(world, selects)).check()


async def test_c9_users_alone_sync_registries_and_make_repos(world: World) -> None:
    (await on_rest(world, of("updateLocalRepository", "createRepo"))).check()


async def test_c10_an_env_and_an_archive_are_for_the_creator_and_the_unit(world: World) -> None:
    (await on_rest(world, of("getUnitEnv", "firmware"))).check()


async def test_c11_a_unit_commands_itself_and_nobody_else(world: World) -> None:
    (await on_rest(world, of("sendCommandToInputBaseTopic"))).check()


async def test_c12_w33_the_history_of_a_private_registry_takes_valid_credentials(
    world: World,
) -> None:
    (await on_rest(world, of("branches of a registry", "getBranchCommits"))).check()


async def test_c20_an_anonymous_caller_reads_what_is_public_and_changes_nothing(
    world: World,
) -> None:
    (await on_rest(world, in_columns("n"))).check()


async def test_w5_w10_who_has_no_token_of_a_unit_cannot_connect(world: World) -> None:
    (await on_our_endpoint(world, of("connect as"))).check()


async def test_w8_nested_nodes_are_judged_one_by_one(world: World) -> None:
    (await on_rest(world, of("getUnits, nested nodes"))).check()


async def test_w22_a_blocked_user_and_his_units_are_refused_everywhere(world: World) -> None:
    selects = in_columns("xz")
    (await on_rest(world, selects)).check()
    (await on_our_endpoint(world, selects)).check()
    (await on_the_hook(world, selects)).check()


async def test_w29_a_link_takes_the_inputs_owner_and_sight_of_the_output(world: World) -> None:
    (await on_rest(world, of("createUnitNodeEdge"))).check()


async def test_w30_the_owner_of_either_node_cuts_a_link(world: World) -> None:
    (await on_rest(world, of("deleteUnitNodeEdge", "edges, listed"))).check()


async def test_w43_addresses_of_a_unit_are_for_its_creator_and_itself(world: World) -> None:
    (await on_rest(world, of("addresses in unit_state"))).check()


async def test_w46_what_is_not_seen_answers_as_what_is_not_there(world: World) -> None:
    def is_unseen(cell: Cell) -> bool:
        return cell.verdict == "0"

    (await on_rest(world, is_unseen)).check()


async def test_rulings_8_an_administrator_builds_links_and_writes_nothing(world: World) -> None:
    selects = of("createUnit", "setState", "firmware", "getUnitEnv", "getState", columns="a")
    (await on_rest(world, selects)).check()


async def test_rulings_29_a_client_id_of_another_subject_is_refused(world: World) -> None:
    (await on_our_endpoint(world, of("connect as the"))).check()

"""What is wrong with links, found without running anything (issue 5 part 4)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.codecs.mermaid import LINKS_MAX, mermaid
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import EdgeId, UnitId, UserId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.links import LinkGraph, check_links, strong_components
from pepeunit.domain.nodes.node import Node, NodeType
from tests.domain.making import OWNER, STRANGER, a_node

OUTPUT, INPUT = NodeType.OUTPUT, NodeType.INPUT
SECONDS_MAX = 10.0
"""Far above what it takes; a quadratic walk would need minutes."""


def unit(number: int) -> UnitId:
    return UnitId(UUID(int=10**6 + number))


def node(number: int, kind: NodeType, of: int, **given: Any) -> Node:
    return a_node(number, kind, f"topic-{number}", unit_uuid=unit(of), **given)


def edge(output: Node, input_: Node, creator: UserId = OWNER) -> Edge:
    number = output.uuid.int * 10**9 + input_.uuid.int
    return Edge(EdgeId(UUID(int=number)), output.uuid, input_.uuid, creator)


def reached(follows: Mapping[UnitId, Sequence[UnitId]], start: UnitId) -> set[UnitId]:
    seen, open_ = set(), [start]
    while open_:
        for other in follows[open_.pop()]:
            if other not in seen:
                seen.add(other)
                open_.append(other)
    return seen


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25))
def test_components_are_the_units_that_reach_each_other(pairs: list[tuple[int, int]]) -> None:
    follows: dict[UnitId, list[UnitId]] = {unit(number): [] for number in range(9)}
    for start, end in pairs:
        follows[unit(start)].append(unit(end))
    parts = strong_components(follows)
    assert sorted(one for part in parts for one in part) == sorted(follows)
    part_of = {one: number for number, part in enumerate(parts) for one in part}
    for one in follows:
        for other in follows:
            together = one == other or (
                other in reached(follows, one) and one in reached(follows, other)
            )
            assert (part_of[one] == part_of[other]) is together


def test_a_loop_leads_from_an_output_by_links_back_to_an_input_of_its_unit() -> None:
    out = [node(number, OUTPUT, number) for number in range(1, 5)]
    in_ = [node(10 + number, INPUT, number) for number in range(1, 5)]
    round_ = [edge(out[0], in_[1]), edge(out[1], in_[0])]
    beside = [edge(out[1], in_[2]), edge(out[3], in_[3])]
    report = check_links(LinkGraph([*out, *in_], [], [*round_, *beside]))
    assert [(cycle.units, set(cycle.edges)) for cycle in report.cycles] in (
        [
            ((unit(1), unit(2)), {one.uuid for one in round_}),
            ((unit(4),), {beside[1].uuid}),
        ],
        [
            ((unit(4),), {beside[1].uuid}),
            ((unit(1), unit(2)), {one.uuid for one in round_}),
        ],
    )
    open_ = check_links(LinkGraph([*out, *in_], [], [round_[0], beside[0]]))
    assert open_.cycles == ()


def test_a_loop_may_lead_through_units_of_others() -> None:
    own = [node(1, OUTPUT, 1), node(2, INPUT, 1)]
    others = [node(3, OUTPUT, 2, creator_uuid=STRANGER), node(4, INPUT, 2, creator_uuid=STRANGER)]
    edges = [edge(own[0], others[1], STRANGER), edge(others[0], own[1])]
    (cycle,) = check_links(LinkGraph(own, others, edges)).cycles
    assert cycle.units == (unit(1), unit(2))


def test_dead_ends_and_full_nodes() -> None:
    dead, open_ = node(1, INPUT, 1), node(2, INPUT, 1, is_rewritable_input=True)
    unread, stored = node(3, OUTPUT, 1), node(4, OUTPUT, 1, is_data_pipe_active=True)
    full = node(5, INPUT, 1, max_connections=1)
    nearly = node(6, OUTPUT, 1, max_connections=5)
    fed = [node(10 + number, INPUT, 2, creator_uuid=STRANGER) for number in range(4)]
    edges = [edge(nearly, one, STRANGER) for one in fed]
    edges.append(edge(node(7, OUTPUT, 2), full))
    others = [*fed, node(7, OUTPUT, 2)]
    own = [dead, open_, unread, stored, full, nearly]
    report = check_links(LinkGraph(own, others, edges))
    assert report.dead_inputs == (dead,)
    assert report.unread_outputs == (unread,)
    assert (report.full, report.nearly_full) == ((full,), (nearly,))
    assert report.connections[nearly.uuid] == 4
    lower = [evolve(nearly, max_connections=6), *own[:-1]]
    assert check_links(LinkGraph(lower, others, edges)).nearly_full == ()


def test_rulings_11_a_link_is_lost_when_its_maker_could_not_make_it_today() -> None:
    private = Visibility.PRIVATE
    output = node(1, OUTPUT, 1, creator_uuid=STRANGER, visibility_level=private)
    input_, strange = node(2, INPUT, 2), node(3, INPUT, 3, creator_uuid=STRANGER)
    unseen, foreign = edge(output, input_), edge(output, strange)
    graph = LinkGraph([input_], [output, strange], [unseen, foreign])
    assert [(lost.edge, lost.reason.split()[-4:]) for lost in check_links(graph).lost_edges] == [
        (unseen, ["the", "output", "any", "more"]),
        (foreign, ["the", "input", "any", "more"]),
    ]
    held = evolve(graph, edges=[unseen], held={(OWNER, output.uuid)})
    assert check_links(held).lost_edges == ()
    public = evolve(output, visibility_level=Visibility.PUBLIC)
    assert check_links(LinkGraph([input_], [public], [unseen])).lost_edges == ()


def a_ring(count: int) -> LinkGraph:
    """``count`` nodes, two a unit: one ring through all of them."""
    units = count // 2
    outputs = [node(number, OUTPUT, number) for number in range(units)]
    inputs = [node(units + number, INPUT, number) for number in range(units)]
    edges = [edge(outputs[one], inputs[(one + 1) % units]) for one in range(units)]
    return LinkGraph([*outputs, *inputs], [], edges)


def test_fifty_thousand_nodes_in_one_ring_are_no_deep_recursion() -> None:
    graph = a_ring(50_000)
    began = time.perf_counter()
    report = check_links(graph)
    assert time.perf_counter() - began < SECONDS_MAX
    (cycle,) = report.cycles
    assert (len(cycle.units), len(cycle.edges)) == (25_000, 25_000)
    picture = mermaid(graph, report)
    assert picture.count("-->") == LINKS_MAX
    assert f"%% {25_000 - LINKS_MAX} more links are not drawn" in picture
    assert len(picture) < 50_000


def test_the_picture_shows_units_links_and_what_is_wrong() -> None:
    out, in_, dead = node(1, OUTPUT, 1), node(2, INPUT, 1), node(3, INPUT, 1)
    graph = LinkGraph([out, in_, dead], [], [edge(out, in_)], unit_names={unit(1): "lamp"})
    assert mermaid(graph, check_links(graph)).split("\n") == [
        "flowchart LR",
        '  subgraph u0["lamp"]',
        '    n0(["topic-1"])',
        '    n1["topic-2"]',
        '    n2["topic-3"]',
        "  end",
        "  n0 --> n1",
        "  linkStyle 0 stroke:#c00",
        "  classDef dead stroke-dasharray: 4",
        "  classDef full stroke-width: 4px",
        "  class n2 dead",
        "",
    ]


def test_no_name_breaks_out_of_the_picture() -> None:
    evil = 'x"] --> y\nclick n0 call("<b>") %%;'
    out, in_ = a_node(1, OUTPUT, evil), a_node(2, INPUT, "led")
    graph = LinkGraph([out, in_], [], [edge(out, in_)], unit_names={out.unit_uuid: evil})
    picture = mermaid(graph, check_links(graph))
    assert evil not in picture and "<b>" not in picture
    assert picture.count("\n") == mermaid(graph_named(graph), check_links(graph)).count("\n")


def graph_named(graph: LinkGraph) -> LinkGraph:
    own = [evolve(one, topic_name="plain") for one in graph.own]
    return evolve(graph, own=own, unit_names=dict.fromkeys(graph.unit_names, "plain"))

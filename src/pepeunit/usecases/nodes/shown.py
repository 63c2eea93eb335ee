"""A node as one caller may see it (rulings 13)."""

from __future__ import annotations

from attrs import evolve

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.policy import Action, may
from pepeunit.domain.nodes.node import Node


def shown_node(agent: Agent, node: Node) -> Node:
    """The pipe's config and error are the creator's alone."""
    if node.data_pipe_yml is None and node.data_pipe_error is None:
        return node
    if may(agent, Action.INSPECT, node.resource()):
        return node
    return evolve(node, data_pipe_yml=None, data_pipe_error=None)

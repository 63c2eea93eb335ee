"""The counts of a rollout's stage over GraphQL are those of REST."""

from __future__ import annotations

from importlib.resources import files

from attrs import fields
from graphql import ObjectTypeDefinitionNode, parse

from pepeunit.codecs.rest.rollout import RolloutStageModel


def test_a_stage_has_every_count_that_rest_shows() -> None:
    text = files("pepeunit.entrypoints.graphql").joinpath("additions.graphql").read_text()
    (stage,) = (
        node
        for node in parse(text).definitions
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value == "RolloutStageType"
    )
    shown = {field.name.value for field in stage.fields or ()}
    assert shown == {field.name for field in fields(RolloutStageModel)}

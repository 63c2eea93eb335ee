"""What a GraphQL document may cost, far above what a user interface sends."""

from __future__ import annotations

from attrs import frozen

from pepeunit.entrypoints.setting_values import setting, whole


@frozen
class GraphqlSettings:
    """Limits of GraphQL documents."""

    tokens_max: int = setting(
        "PU_GRAPHQL_TOKENS_MAX", 5000, whole(100), "Tokens in a GraphQL document."
    )
    depth_max: int = setting(
        "PU_GRAPHQL_DEPTH_MAX", 20, whole(5, 50), "Levels in a GraphQL document."
    )
    fields_max: int = setting(
        "PU_GRAPHQL_FIELDS_MAX",
        2000,
        whole(100),
        "Fields in a GraphQL document, with every fragment put in.",
    )
    aliases_max: int = setting(
        "PU_GRAPHQL_ALIASES_MAX", 100, whole(0), "Aliases in a GraphQL document."
    )

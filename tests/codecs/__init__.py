# ruff: noqa: A005 (named like the layer it tests; nothing imports it by its bare name)

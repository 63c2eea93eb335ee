"""GitHub as a code host."""

"""Code hosts of GitHub's kind."""

"""Code hosts of GitHub's kind."""

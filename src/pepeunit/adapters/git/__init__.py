"""Bare mirrors of git remotes, through the git command."""

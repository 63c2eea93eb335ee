"""Release files on this machine's disk."""

"""Release files kept on disk for the devices they belong to."""

"""Release files on this machine's disk."""

"""Release files kept on disk for the devices they belong to."""

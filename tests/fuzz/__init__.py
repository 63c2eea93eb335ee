"""Generated requests against a running platform, outside continuous integration."""

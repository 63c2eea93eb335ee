"""Program families: create, look up, change, and the versions their units run."""

"""Program families: a registry's branch, its update rule and the version it leads to."""
